"""Proves for whom the sessions and CDRs are that a host puts in, and in which lists it finds them again."""

from __future__ import annotations

import pytest

from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.parties import Party, Role
from tests import make
from tests.entrypoints.desk import Answer, desks
from tests.entrypoints.test_operator_charging import with_a_card
from tests.world import register

private = pytest.mark.parametrize("module", [ModuleID.SESSIONS, ModuleID.CDRS])


@private
def test_an_object_is_for_the_partner_that_is_named_or_whose_card_it_was(module: ModuleID) -> None:
    """SES-13, SES-14, CDR-02."""
    there = with_a_card(auth_id="NL-MSP-7")
    value = make.object_of(module, "X1", auth_id="NL-MSP-7")

    by_card = there.cpo("PUT", f"/{module}/X1", value)
    by_name = there.cpo("PUT", f"/{module}/X2", make.object_of(module, "X2"), query={"partner": there.emsp_id})
    there.pair.pump()

    assert [by_card.status, by_name.status] == [201, 201]
    received = there.emsp("GET", f"/partners/{there.cpo_id}/{module}").json["items"]
    assert [each["id"] for each in received] == ["X1", "X2"]
    assert there.cpo("PUT", f"/{module}/X1", value, query={"partner": there.emsp_id}).json["outcome"] == "unchanged"


@private
def test_an_object_for_nobody_is_refused(module: ModuleID) -> None:
    """SES-13, SES-14, CDR-02."""
    there = desks()
    invited = there.cpo("POST", "/partners", {"role": "emsp"}).json["id"]
    value = make.object_of(module, "X1")

    def put(**query: str) -> Answer:
        return there.cpo("PUT", f"/{module}/X1", value, query=query)

    assert (put().status, "?partner=" in put().error) == (422, True)
    assert (put(partner="nobody").status, put(partner="nobody").error) == (404, "there is no partner 'nobody'")
    assert put(partner=invited).status == 422
    assert "register first" in put(partner=invited).error
    assert there.cpo("GET", f"/{module}/X1").status == 404
    (failed,) = there.cpo("PUT", f"/{module}", [value]).json["failed"]
    assert (failed["index"], failed["id"], "?partner=" in failed["error"]) == (0, "X1", True)


@private
def test_what_one_partner_has_seen_is_not_given_to_another(module: ModuleID) -> None:
    """SES-02, CDR-02."""
    there = desks()
    there.put_in(module, make.object_of(module, "X1"))
    other = there.pair.world.company("other.example", Party.of("NL", "TWO"), frozenset({Role.EMSP}))
    register(other, there.pair.cpo, Role.CPO)
    query = {"partner": there.pair.cpo.partners()[-1].id}

    answer = there.cpo("PUT", f"/{module}/X1", make.object_of(module, "X1"), query=query)

    assert (answer.status, "for another partner already" in answer.error) == (422, True)
    assert there.cpo("GET", f"/{module}", query=query).json["items"] == []


@private
def test_the_list_of_all_is_by_id_and_that_of_a_partner_by_creation(module: ModuleID) -> None:
    """SES-01, SES-02, CDR-01, CDR-02."""
    there = desks()
    there.put_in(module, [make.object_of(module, f"X{n}") for n in (3, 1, 2)])
    other = there.pair.world.company("other.example", Party.of("NL", "TWO"), frozenset({Role.EMSP}))
    register(other, there.pair.cpo, Role.CPO)
    query = {"partner": there.pair.cpo.partners()[-1].id}
    there.cpo("PUT", f"/{module}/X0", make.object_of(module, "X0"), query=query)

    def ids(**query: str) -> list[str]:
        return [item["id"] for item in there.cpo("GET", f"/{module}", query=query).json["items"]]

    first = there.cpo("GET", f"/{module}", query={"limit": "3"}).json
    rest = there.cpo("GET", f"/{module}", query={"limit": "3", **first["next"]}).json

    assert ids(**there.named(module)) == ["X3", "X1", "X2"]
    assert ids(**query) == ["X0"]
    assert [item["id"] for item in first["items"]] == ["X0", "X1", "X2"]
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (["X3"], None)


@private
@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({"partner": "nobody"}, 404, "there is no partner 'nobody'"),
        ({"limit": "0"}, 422, "limit must be"),
        ({"limit": "x"}, 422, "limit must be"),
        ({"offset": "1"}, 422, "offset and dates go with the list of one ?partner="),
        ({"date_from": "2026-01-01T00:00:00Z"}, 422, "offset and dates go with"),
        ({"date_to": "yesterday"}, 422, "date_to is not a DateTime"),
    ],
)
def test_a_list_that_cannot_be_is_refused(module: ModuleID, query: dict[str, str], status: int, said: str) -> None:
    answer = desks().cpo("GET", f"/{module}", query=query)

    assert answer.status == status
    assert said in answer.error


@pytest.mark.parametrize("query", [{"after": "\ud800"}, {"partner": "\ud800"}])
def test_half_a_character_in_the_query_is_no_failure_of_ours(query: dict[str, str]) -> None:
    answer = desks().cpo("GET", "/sessions", query=query)

    assert answer.status == (200 if "after" in query else 404)
