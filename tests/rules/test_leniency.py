"""Nothing is forgiven in silence: each leniency is counted on the partner by rule and place, and only when used."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.reading import Profile
from tests import make
from tests.rules.hostile import CANARY
from tests.rules.receiving import CREATED, REFUSED, Receiving, receiving
from tests.specimens import ROOTS, complete, put

CONNECTOR = ("L1", "E1", "1")
LENIENT = "lenient FMT-19 locations voltage is not an integer"


def stored(profile: Profile) -> Receiving:
    """An eMSP that holds a location, and has counted nothing."""
    node = receiving(profile)
    node.pair.to_emsp("PUT", node.pair.at_emsp("locations", "L1"), make.location("L1"))
    assert node.counted() == set()
    return node


def counters(node: Receiving) -> dict[str, int]:
    return node.pair.emsp.ports.partners.counters(node.partner.id)


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_leniency_is_counted_each_time(method: str) -> None:
    """FMT-19, Q-16: on the partner who needed it, in PUT and PATCH alike."""
    node = stored(Profile.LENIENT)
    url = node.pair.at_emsp("locations", *CONNECTOR)

    for day in range(2, 5):
        body = make.connector(voltage="400", last_updated=f"2026-01-0{day}T00:00:00Z")
        assert node.pair.to_emsp(method, url, body).outcome == (200, 1000)

    assert counters(node)[LENIENT] == 3
    assert node.pair.to_emsp("GET", url).data["voltage"] == 400


def test_a_patch_counts_what_it_brings_and_not_what_was_there() -> None:
    """TRA-22, Q-18: a long address that is in the store already is no fault of this request."""
    node = receiving(Profile.LENIENT)
    node.put("Location", make.location("L1", address="a" * 60))
    before = counters(node)

    reply = node.pair.to_emsp("PATCH", node.pair.at_emsp("locations", "L1"), {"city": "c" * 60})

    assert reply.outcome == (200, 1000)
    assert counters(node).keys() - before.keys() == {"lenient FMT-10 locations city is longer than 45 characters"}
    assert {name: counters(node)[name] for name in before} == before


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize(
    "change", [{"voltage": "400", "amperage": []}, {"voltage": CANARY}, {"voltage": "400", "standard": ""}], ids=str
)
def test_what_is_refused_is_not_counted(profile: Profile, change: dict[str, Any]) -> None:
    """TRA-16, TRA-20: nor repeated, nor stored in part."""
    node = stored(profile)
    url = node.pair.at_emsp("locations", *CONNECTOR)
    before, counted = node.pair.to_emsp("GET", url).data, counters(node)

    for method, body in (("PUT", make.connector(**change)), ("PATCH", change)):
        reply = node.pair.to_emsp(method, url, body)
        assert reply.outcome == REFUSED
        assert CANARY not in reply.message

    assert node.pair.to_emsp("GET", url).data == before
    assert counters(node) == counted


def test_a_strict_partner_is_refused_what_a_lenient_one_is_forgiven() -> None:
    """FMT-19, Q-16: the profile is the partner's, and may change at any time."""
    node = stored(Profile.STRICT)
    url, sloppy = node.pair.at_emsp("locations", *CONNECTOR), make.connector(voltage="400")

    refused = node.pair.to_emsp("PUT", url, sloppy)
    node.pair.emsp.company.registrations.update(node.partner, profile=Profile.LENIENT)
    taken = node.pair.to_emsp("PUT", url, sloppy)

    assert (refused.outcome, taken.outcome) == (REFUSED, (200, 1000))
    assert "Connector: voltage is not an integer (FMT-19)" in refused.message


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", ROOTS)
def test_what_keeps_every_rule_counts_nothing(name: str, profile: Profile) -> None:
    """FMT-10, FMT-11: with every field of the tables in it."""
    node = receiving(profile)

    assert node.put(name, complete(name)).outcome == CREATED
    assert node.held(name) == complete(name)
    assert node.counted() == set()


@pytest.mark.parametrize(
    ("path", "value", "counter"),
    [
        (("evses", 0, "status"), CANARY, "lenient FMT-11 locations evses[].status is not a value of this enum"),
        (
            ("evses", 0, "connectors", 0, "standard"),
            CANARY,
            "evses[].connectors[].standard is not a value of this enum",
        ),
        (("name",), CANARY * 30, "lenient FMT-10 locations name is longer than 255 characters"),
        (("country",), "nl", "lenient FMT-15 locations country is not an ISO 3166-1 alpha-3 country"),
        (("last_updated",), "2026-01-01T02:00:00+02:00", "last_updated has an offset instead of Z"),
    ],
    ids=lambda part: part[-1] if isinstance(part, tuple) else "",
)
def test_a_counter_names_rule_place_and_breach_but_no_value(
    path: tuple[str | int, ...], value: str, counter: str
) -> None:
    """FMT-03, FMT-10, FMT-11, FMT-15: so that onboarding can show a partner its deviations."""
    node = receiving(Profile.LENIENT)

    assert node.put("Location", put(complete("Location"), path, value)).outcome == CREATED

    (found,) = [name for name in counters(node) if name.startswith("lenient ")]
    assert found.endswith(counter)
    assert value not in found
