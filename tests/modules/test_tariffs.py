"""Proves the Tariffs chapter on both sides: what a CPO serves, what an eMSP keeps, and what becomes of deleted ones."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.node.objects import theirs
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make
from tests.node.pushing import LATER, counters, read_as
from tests.world import Pair, pair

Json = dict[str, Any]

TARIFFS = ModuleID.TARIFFS
ROOT = "/ocpi/cpo/2.1.1/tariffs"

both_profiles = pytest.mark.parametrize("profile", Profile)


def element(*components: Json, **restrictions: Any) -> Json:
    prices = {"price_components": list(components) or [component()]}
    return prices | ({"restrictions": restrictions} if restrictions else {})


def component(**fields: Any) -> Json:
    return {"type": "ENERGY", "price": 0.25, "step_size": 1} | fields


def put(there: Pair, value: Json) -> tuple[int, int]:
    return there.to_emsp("PUT", there.at_emsp("tariffs", "T1"), value).outcome


# --- at the CPO ----------------------------------------------------------------------------------------------------


def test_the_list_comes_in_pages_and_filtered_by_date() -> None:
    """TAR-01, PAG-01, PAG-20."""
    there = pair()
    own = there.cpo.company.own_objects[TARIFFS]
    own.import_all([make.tariff(f"T{n}") for n in range(3)])
    there.world.clock.pass_(days=2)
    own.patch("T1", (), {"currency": "CHF"})

    page = there.to_cpo("GET", ROOT, query={"limit": "2"})
    assert ([each["id"] for each in page.data], page.headers["x-total-count"]) == (["T0", "T1"], "3")
    assert "link" in page.headers
    changed = there.to_cpo("GET", ROOT, query={"date_from": "2026-03-02T00:00:00Z"})
    assert ([each["id"] for each in changed.data], changed.headers["x-total-count"]) == (["T1"], "1")


def test_a_single_tariff_has_no_url_at_the_cpo() -> None:
    """TAR-01."""
    there = pair()
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1"))

    assert there.to_cpo("GET", f"{ROOT}/T1").outcome == (404, 2000)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_partners_only_read_the_list(method: str) -> None:
    """TAR-01."""
    reply = pair().to_cpo(method, ROOT, make.tariff("T1"))

    assert reply.outcome == (405, 2000)
    assert reply.headers["allow"] == "GET, OPTIONS"


# --- at the eMSP ---------------------------------------------------------------------------------------------------


def test_a_tariff_is_put_read_patched_and_deleted() -> None:
    """TAR-02, TAR-03."""
    there = pair()
    url = there.at_emsp("tariffs", "T1")

    assert put(there, make.tariff("T1")) == (201, 1000)
    assert put(there, make.tariff("T1", currency="CHF")) == (200, 1000)
    assert there.to_emsp("PATCH", url, {"currency": "DKK"}).outcome == (200, 1000)
    assert there.to_emsp("GET", url).data["currency"] == "DKK"
    assert there.to_emsp("DELETE", url).outcome == (200, 1000)

    for method in ("GET", "PATCH", "DELETE"):
        assert there.to_emsp(method, url, {"currency": "EUR"}).outcome == (404, 2000)
    assert put(there, make.tariff("T1")) == (201, 1000)
    assert there.to_emsp("GET", url).data == make.tariff("T1")


def test_what_was_never_there_cannot_be_deleted() -> None:
    """TAR-03."""
    there = pair()

    assert there.to_emsp("DELETE", there.at_emsp("tariffs", "T1")).outcome == (404, 2000)


def test_nobody_deletes_the_tariff_of_another_party() -> None:
    """TAR-05, TRA-30."""
    there = pair()
    put(there, make.tariff("T1"))

    assert there.to_emsp("DELETE", "/ocpi/emsp/2.1.1/tariffs/NL/BBB/T1").outcome == (404, 2000)

    assert there.to_emsp("GET", there.at_emsp("tariffs", "T1")).outcome == (200, 1000)


def test_a_deleted_tariff_is_kept_aside_for_those_that_still_refer_to_it() -> None:
    """TAR-16: nobody sees it, but a CDR can still be checked against it."""
    there = pair()
    connector = make.connector(tariff_id="T1")
    location = make.location(evses=[make.evse(connectors=[connector])])
    there.to_emsp("PUT", there.at_emsp("locations", "LOC1"), location)
    put(there, make.tariff("T1"))

    assert there.to_emsp("DELETE", there.at_emsp("tariffs", "T1")).outcome == (200, 1000)

    stored = there.emsp.ports.stores[TARIFFS].get(theirs(there.cpo.party), "T1")
    assert stored is not None
    assert b'"price":0.25' in stored.body
    assert stored.metadata["deleted_at"].startswith("2026-03-01T12:00")
    assert there.to_emsp("GET", there.at_emsp("locations", "LOC1", "E1", "1")).data["tariff_id"] == "T1"


def test_a_tariff_that_is_made_again_may_be_older_than_the_one_that_was_deleted() -> None:
    """TAR-03, Q-32: what is gone cannot make anything stale."""
    there = pair()
    put(there, make.tariff("T1", last_updated=LATER))
    there.to_emsp("DELETE", there.at_emsp("tariffs", "T1"))

    assert put(there, make.tariff("T1", currency="CHF")) == (201, 1000)

    assert there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data["currency"] == "CHF"
    assert "stale_ignored" not in counters(there)


def test_a_patch_of_the_elements_replaces_the_whole_list() -> None:
    """TAR-04."""
    there = pair()
    put(there, make.tariff("T1", elements=[element(), element(component(type="TIME", price=2))]))

    there.to_emsp("PATCH", there.at_emsp("tariffs", "T1"), {"elements": [element(component(price=2.5))]})

    data = there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data
    assert data["elements"] == [element(component(price=2.5))]


def test_the_elements_stay_in_their_order_because_the_first_that_applies_is_used() -> None:
    """TAR-07: here and at a partner that is told of it."""
    there = pair()
    elements = [element(component(price=n), min_kwh=10 - n) for n in (3, 1, 2)] + [element()]
    there.cpo.company.own_objects[TARIFFS].put("T1", (), make.tariff("T1", elements=elements))

    there.pump()

    assert there.to_cpo("GET", ROOT).data[0]["elements"] == elements
    assert there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data["elements"] == elements


# --- what is a tariff ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elements",
    [
        [],
        None,
        [{"price_components": []}],
        [{"price_components": None}],
        [{}],
        [element(), {"restrictions": {}}],
        *([element({k: v for k, v in component().items() if k != name})] for name in ("type", "price", "step_size")),
        [element(component(price=None))],
        [element(component(step_size=-1))],
        [element(component(step_size=0.5))],
    ],
    ids=str,
)
@both_profiles
def test_a_tariff_has_prices_and_each_price_all_its_fields(profile: Profile, elements: Any) -> None:
    """TAR-06, TRA-36."""
    there = read_as(pair(), profile)
    put(there, make.tariff("T1"))

    assert put(there, make.tariff("T1", elements=elements, last_updated=LATER)) == (200, 2001)
    own = there.cpo.company.own_objects[TARIFFS]
    with pytest.raises(InvalidParameters):
        own.put("T1", (), make.tariff("T1", elements=elements))

    assert there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data == make.tariff("T1")


@both_profiles
def test_free_of_charge_is_a_flat_price_of_nothing(profile: Profile) -> None:
    """TAR-09: step_size 0 is what the spec's own example has."""
    there = read_as(pair(), profile)
    free = [element(component(type="FLAT", price=0.00, step_size=0))]

    assert put(there, make.tariff("T1", elements=free)) == (201, 1000)

    assert there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data["elements"] == free


@pytest.mark.parametrize(
    ("price", "strict", "lenient"),
    [(0.2534, 0.2534, 0.2534), (2, 2, 2), (0.25341, None, 0.25341), ("2.00", None, 2), ("two", None, None)],
)
def test_a_price_is_a_number_with_up_to_four_decimals(price: Any, strict: Any, lenient: Any) -> None:
    """TAR-13, FMT-05, Q-16: and is given back to the last of them."""
    value = make.tariff("T1", elements=[element(component(price=price))])

    for profile, expected in ((Profile.STRICT, strict), (Profile.LENIENT, lenient)):
        there = read_as(pair(), profile)
        code = put(there, value)[1]
        data = there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data

        assert code == (2001 if expected is None else 1000)
        assert (data and data["elements"][0]["price_components"][0]["price"]) == expected


@pytest.mark.parametrize(
    ("restrictions", "valid"),
    [
        ({"start_date": "2026-01-01", "end_date": "2026-12-31"}, True),
        ({"start_date": "2026-1-1"}, False),
        ({"end_date": "2026-13-01"}, False),
        ({"start_time": "08:00", "end_time": "19:59", "day_of_week": ["MONDAY", "SUNDAY"]}, True),
        ({"start_time": "8:00"}, False),
        ({"day_of_week": ["Monday"]}, False),
        ({"min_kwh": 0.5, "max_kwh": 20, "min_power": 0, "max_power": 32.5}, True),
        ({"min_duration": 0, "max_duration": 14400}, True),
        ({"max_duration": "an hour"}, False),
    ],
    ids=str,
)
def test_restrictions_have_the_forms_of_the_spec(restrictions: Json, *, valid: bool) -> None:
    """TAR-12, FMT-13, FMT-22."""
    there = read_as(pair(), Profile.STRICT)
    value = make.tariff("T1", elements=[element(**restrictions), element()])

    assert put(there, value) == ((201, 1000) if valid else (200, 2001))

    assert not valid or there.to_emsp("GET", there.at_emsp("tariffs", "T1")).data["elements"] == value["elements"]


@pytest.mark.parametrize(
    ("elements", "warned"),
    [
        ([element()], False),
        ([element(min_kwh=5), element()], False),
        ([element(), element() | {"restrictions": {}}], False),
        ([element(min_kwh=5)], True),
        ([element(), element(day_of_week=["MONDAY"])], True),
    ],
    ids=str,
)
def test_a_tariff_whose_last_element_does_not_always_apply_is_remarked_on(
    elements: list[Json], *, warned: bool
) -> None:
    """TAR-08: to the host when it puts one in, and counted when a partner does; never refused."""
    for profile in Profile:
        there = read_as(pair(), profile)
        value = make.tariff("T1", elements=elements)

        kept = there.cpo.company.own_objects[TARIFFS].put("T1", (), value)
        assert put(there, value) == (201, 1000)

        assert (["TAR-08"] if warned else []) == [remark.rule for remark in kept.warnings]
        assert any("TAR-08" in name for name in counters(there)) is warned
