"""Proves that what is for one partner is seen by no other: in lists, counts, objects and pushes, on any route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.node.objects import OURS, theirs
from chalicelib.node.pushing.messages import Announcement, Delivery
from chalicelib.node.serving.router import Endpoint
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.world import PUBLIC, Caller, CompanyInWorld, World, crawl, register

Json = dict[str, Any]

SESSIONS, CDRS, TOKENS, LOCATIONS = ModuleID.SESSIONS, ModuleID.CDRS, ModuleID.TOKENS, ModuleID.LOCATIONS
PRIVATE = [identifier for identifier in MODULES if identifier not in PUBLIC]
every_private_module = pytest.mark.parametrize("module", PRIVATE)

SECRET = "NL-MS1-SECRET"
"""The contract of a driver of MS1: nobody else may read it anywhere."""
SINCE = {"date_from": "2020-01-01T00:00:00Z"}


@dataclass
class Market:
    """A company in both roles with two partners in each."""

    world: World
    us: CompanyInWorld
    partners: dict[str, CompanyInWorld]

    def call(self, name: str) -> Caller:
        """Calls us as this partner."""
        token = self.partners[name].partners()[0].token_we_send
        assert token is not None
        return Caller(self.world, "us.example", token.secret)

    def put_in(self, module: ModuleID, name: str, *ids: str, auth_id: str = SECRET) -> None:
        """We have such objects for this partner; they are pushed."""
        values = [make.object_of(module, each, auth_id=auth_id) for each in ids]
        assert (
            self.us.company.own_objects[module].import_all(values, Party(country_code="NL", party_id=name)).failed == ()
        )
        self.us.pump()

    def total(self, name: str, module: ModuleID, **query: str) -> tuple[list[str], str]:
        """The ids on the page that this partner gets, and the count."""
        reply = self.call(name)("GET", f"/ocpi/cpo/2.1.1/{module}", query=SINCE | query)
        assert reply.outcome == (200, 1000)
        return [each["id"] for each in reply.data], reply.headers["x-total-count"]


def market() -> Market:
    world = World()
    us = world.company("us.example", Party.of("DE", "ALL"))
    partners = {}
    for name, role in (("MS1", Role.EMSP), ("MS2", Role.EMSP), ("CP1", Role.CPO), ("CP2", Role.CPO)):
        partners[name] = world.company(
            f"{name.lower()}.example", Party(country_code="NL", party_id=name), frozenset({role})
        )
        register(partners[name], us, role.other)
    return Market(world, us, partners)


# --- lists and counts ----------------------------------------------------------------------------------------------


@every_private_module
def test_a_list_and_its_count_hold_only_what_is_for_the_caller(module: ModuleID) -> None:
    """SES-02, CDR-02, TRA-06, TRA-40, PAG-06: a partner for whom there is nothing gets an empty list and 0."""
    there = market()
    there.put_in(module, "MS1", "a", "b")
    there.put_in(module, "MS2", "c")
    there.put_in(module, "MS1", "d")
    there.world.clock.pass_(days=1)
    there.put_in(module, "MS1", "e")
    since = there.world.clock.now.strftime("%Y-%m-%dT00:00:00Z")

    assert there.total("MS1", module) == (["a", "b", "d", "e"], "4")
    assert there.total("MS1", module, limit="1", offset="2") == (["d"], "4")
    assert there.total("MS1", module, date_from=since) == (["e"], "1")
    assert there.total("MS2", module) == (["c"], "1")
    assert there.total("MS2", module, date_from=since) == ([], "0")


@every_private_module
def test_a_crawl_never_leaves_the_callers_own_list(module: ModuleID) -> None:
    """SES-02, CDR-02, PAG-06: nor does another's link lead into it."""
    there = market()
    there.put_in(module, "MS1", *(f"a{n}" for n in range(5)))
    there.put_in(module, "MS2", *(f"b{n}" for n in range(3)))

    path, query = f"/ocpi/cpo/2.1.1/{module}", SINCE | {"limit": "2"}
    pages = list(crawl(there.call("MS1"), path, query))
    link = pages[0].headers["link"].partition("<")[2].partition(">")[0]
    foreign = there.call("MS2")("GET", link)

    assert [each["id"] for page in pages for each in page.data] == [f"a{n}" for n in range(5)]
    assert {page.headers["x-total-count"] for page in pages} == {"5"}
    assert {each["id"] for each in foreign.data} <= {"b0", "b1", "b2"}


@pytest.mark.parametrize("module", [each for each in PUBLIC if MODULES[each].owner is Role.CPO])
def test_what_is_for_everybody_is_in_everybodys_list(module: ModuleID) -> None:
    """TRA-40, PAG-06."""
    there = market()
    there.us.company.own_objects[module].put("a", (), make.object_of(module, "a"))

    assert there.total("MS1", module) == there.total("MS2", module) == (["a"], "1")


@every_private_module
def test_an_object_stays_with_whom_it_is_for(module: ModuleID) -> None:
    """SES-02, SES-14, CDR-02: the same object cannot be put in for somebody else."""
    there = market()
    there.put_in(module, "MS1", "a")

    done = there.us.company.own_objects[module].import_all(
        [make.object_of(module, "a", auth_id=SECRET)], Party.of("NL", "MS2")
    )

    assert [reason for _, _, reason in done.failed] == [f"this {module.title()[:-1]} is for another partner already"]
    assert there.total("MS1", module) == (["a"], "1")
    assert there.total("MS2", module) == ([], "0")


# --- pushes --------------------------------------------------------------------------------------------------------


@every_private_module
def test_what_is_for_one_partner_is_pushed_to_no_other(module: ModuleID) -> None:
    """SES-14, CDR-02, TRA-06."""
    there = market()
    mark = len(there.world.traffic)

    there.put_in(module, "MS1", "a", "b")
    there.put_in(module, "MS2", "c")

    assert [(each.host, each.json["id"]) for each in there.world.since(mark)] == [
        ("ms1.example", "a"),
        ("ms1.example", "b"),
        ("ms2.example", "c"),
    ]


def test_changes_and_late_news_of_a_session_go_where_it_went() -> None:
    """SES-14: also what was missed and is told again."""
    there = market()
    there.put_in(SESSIONS, "MS1", "a")
    there.world.down.add("ms1.example")
    there.us.company.own_objects[SESSIONS].patch("a", (), {"status": "COMPLETED"})
    there.us.pump()
    there.world.down.clear()
    there.world.clock.pass_(days=1)
    mark = len(there.world.traffic)

    there.us.look()

    assert {each.host for each in there.world.since(mark)} == {"ms1.example"}
    held = there.partners["MS1"].received(SESSIONS, there.us.party, "a")
    assert held["status"] == "COMPLETED"


@every_private_module
def test_who_has_both_roles_is_told_as_the_emsp_alone(module: ModuleID) -> None:
    """SES-14, CDR-02: even news that stands in the queue of the other connection goes nowhere."""
    there = market()
    both = there.world.company("both.example", Party.of("NL", "BTH"))
    register(both, there.us, Role.CPO)
    register(both, there.us, Role.EMSP)
    value = make.object_of(module, "a", auth_id=SECRET)
    assert there.us.company.own_objects[module].import_all([value], both.party).failed == ()
    (as_cpo,) = [each for each in there.us.partners() if each.party == both.party and each.our_role is Role.EMSP]
    mark = len(there.world.traffic)

    there.us.deliver(Delivery(as_cpo.id, Announcement(module, "a", 1)))

    assert there.world.since(mark) == []
    there.us.pump()
    (told,) = there.world.since(mark)
    assert told.path.startswith(f"/ocpi/emsp/2.1.1/{module}")


# --- every route ---------------------------------------------------------------------------------------------------


def full() -> Market:
    """A market where MS1 and CP1 have dealt with us, each in all that it can."""
    there = market()
    there.put_in(SESSIONS, "MS1", "X1")
    there.put_in(CDRS, "MS1", "X1")
    there.partners["MS1"].company.own_objects[TOKENS].put("X1", (), make.token("X1", auth_id=SECRET))
    there.partners["MS1"].pump()
    own = there.partners["CP1"].company.own_objects
    own[LOCATIONS].put("X1", (), make.location("X1", name=SECRET))
    for module in (SESSIONS, CDRS):
        own[module].put("X1", (), make.object_of(module, "X1", auth_id=SECRET), there.us.party)
    there.partners["CP1"].pump()
    return there


def state(there: Market) -> list[Any]:
    """What we store of the objects X1, ours and those of MS1 and CP1."""
    stores, names = there.us.ports.stores, (OURS, theirs(Party.of("NL", "MS1")), theirs(Party.of("NL", "CP1")))
    return [stores[module].get(owner, key) for module in MODULES for owner in names for key in ("X1", "x1")]


def urls(endpoint: Endpoint[Any]) -> set[str]:
    """The endpoint's paths to the objects X1 of each whose they may be."""
    found = set()
    for owner in ("NL/MS1", "NL/CP1", "DE/ALL"):
        country_code, party_id = owner.split("/")
        values = {"country_code": country_code, "party_id": party_id, "evse_uid": "E1", "connector_id": "1"}
        steps = [values.get(step[1:-1], "X1") if step.startswith("{") else step for step in endpoint.path.split("/")]
        found.add("/".join(steps))
    return found


def test_everything_is_there_for_whom_it_is() -> None:
    """TRA-06, SES-02, CDR-02, CDR-05: what the next test looks for in vain."""
    there = full()

    assert sum(stored is not None for stored in state(there)) == 6
    for path in ("/ocpi/cpo/2.1.1/sessions", "/ocpi/cpo/2.1.1/cdrs", "/ocpi/cpo/2.1.1/tokens/NL/MS1/X1"):
        assert SECRET in str(there.call("MS1")("GET", path, query=SINCE).frame)
    for path in ("locations/NL/CP1/X1", "sessions/NL/CP1/X1", "cdrs/X1"):
        assert SECRET in str(there.call("CP1")("GET", f"/ocpi/emsp/2.1.1/{path}").frame)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST", "DELETE"])
@pytest.mark.parametrize("intruder", ["MS2", "CP2"])
def test_no_route_shows_or_changes_what_is_anothers(intruder: str, method: str) -> None:
    """TRA-06, TRA-30, SES-02, CDR-02, CDR-06: every path of both trees, with a token of another partner."""
    there = full()
    call, before, asked = there.call(intruder), state(there), 0

    for endpoint in there.us.company.node.router.endpoints:
        if endpoint.module not in MODULES:
            continue
        for path in sorted(urls(endpoint)):
            body = make.object_of(endpoint.module, "X1", last_updated="2026-03-01T13:00:00Z")
            reply = call(method, path, None if method == "GET" else body, query=SINCE)
            assert SECRET.encode() not in reply.response.body, path
            asked += 1

    assert asked > 20
    assert state(there) == before


def test_anothers_cdr_is_404_and_an_own_one_of_the_same_id_is_another() -> None:
    """CDR-06, TRA-32."""
    there = full()
    call = there.call("CP2")

    assert call("GET", "/ocpi/emsp/2.1.1/cdrs/X1").outcome == (404, 2000)
    assert call("POST", "/ocpi/emsp/2.1.1/cdrs", make.cdr("X1", auth_id="NL-ALL-2")).outcome == (201, 1000)

    assert call("GET", "/ocpi/emsp/2.1.1/cdrs/X1").data["auth_id"] == "NL-ALL-2"
    assert there.call("CP1")("GET", "/ocpi/emsp/2.1.1/cdrs/X1").data["auth_id"] == SECRET


@every_private_module
def test_the_owner_serves_no_single_object_of_a_private_module(module: ModuleID) -> None:
    """SES-03, CDR-03: not even to whom it is for."""
    assert full().call("MS1")("GET", f"/ocpi/cpo/2.1.1/{module}/X1").outcome == (404, 2000)
