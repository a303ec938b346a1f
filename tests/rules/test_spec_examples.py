"""The spec's own examples: the flawless ones are read strictly, those that break its rules by a lenient reader only."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from chalicelib.modules.cdrs.interface import CDRS
from chalicelib.modules.credentials.objects import Credentials, Version, VersionDetails
from chalicelib.modules.locations.interface import LOCATIONS
from chalicelib.modules.locations.objects import EnergyMix, Hours, Location
from chalicelib.modules.sessions.interface import SESSIONS
from chalicelib.modules.tariffs.interface import TARIFFS
from chalicelib.modules.tokens.interface import TOKENS
from chalicelib.node.partners.partner import Partner, State
from chalicelib.node.receiving.incoming import IncomingPart, ObjectAddress, read_patch, read_put
from chalicelib.ocpi.envelope import data_of, read_answer
from chalicelib.ocpi.errors import InvalidParameters
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module
from chalicelib.ocpi.parties import Party, Role
from chalicelib.ocpi.reading import Profile, read_value
from chalicelib.ocpi.types import OcpiObject
from tests import make

Json = Any

EXAMPLES = Path(__file__).parents[2].parent / "shared" / "docs" / "spec-examples"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TNM = Party.of("NL", "TNM")

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the spec's examples are not part of the project")

ADDED_EVSE = "locations-example-add-an-evse"
FLAWLESS: Final[dict[str, type[OcpiObject]]] = {
    "credentials-example": Credentials,
    "locations-4-19-1-example": Hours,
    "locations-complete": EnergyMix,
    "locations-example": Location,
    "locations-simple": EnergyMix,
    "locations-tariff-name-based": EnergyMix,
    "tariffs-free-of-charge-tariff-example": TARIFFS.model,
    "tariffs-simple-tariff-example-2-euro-per-hour": TARIFFS.model,
    "tariffs-simple-tariff-example-with-alternative-multi-language-text": TARIFFS.model,
    "tariffs-simple-tariff-example-with-alternative-url": TARIFFS.model,
    "tokens-example": TOKENS.model,
    "tokens-example-put-a-new-token": TOKENS.model,
    "version_information_endpoint-example-2": VersionDetails,
}
SLOPPY: Final[dict[str, tuple[type[OcpiObject], set[tuple[str, str]]]]] = {
    "cdrs-example-of-a-cdr": (
        CDRS.model,
        {("FMT-15", "location.country"), ("FMT-06", "tariffs[].elements[].price_components[].price")},
    ),
    "sessions-simple-session-example-of-a-just-starting-session": (SESSIONS.model, {("FMT-15", "location.country")}),
    "sessions-simple-session-example-of-a-short-finished-session": (SESSIONS.model, {("FMT-15", "location.country")}),
    "tariffs-example-new-tariff-2-euro-per-hour": (TARIFFS.model, {("TRA-20", "last_updated")}),
}
"""What a lenient reader counts, by rule and place."""
PATCHES: Final[dict[str, tuple[Module, Json, tuple[str, ...]]]] = {
    "locations-example-a-simple-status-update": (LOCATIONS, make.evse("3255"), ("3255",)),
    "locations-example-change-the-location-name": (LOCATIONS, make.location("1012", charging_when_closed=True), ()),
    "locations-example-delete-an-evse": (LOCATIONS, make.evse("3256"), ("3256",)),
    "locations-example-set-tariff-update": (LOCATIONS, make.connector("2"), ("3255", "2")),
    "sessions-example-update-the-total-cost": (
        SESSIONS,
        make.session("101", location=make.location(charging_when_closed=True)),
        (),
    ),
    "tariffs-example-change-tariff-to-2-50": (TARIFFS, make.tariff("12"), ()),
    "tokens-example-invalidate-a-token": (TOKENS, make.token("012345678"), ()),
}
"""What each of them changes: an object or part that it can be sent for, and the way to that part."""
ENVELOPES: Final[dict[str, type[OcpiObject] | None]] = {
    "transport_and_format-example-response-with-an-error-contains-no-data-field": None,
    "transport_and_format-example-tokens-get-response-with-list-of-token-objects-emsp-": TOKENS.model,
    "transport_and_format-example-tokens-get-response-with-one-token-object-cpo-end-po": TOKENS.model,
    "transport_and_format-example-version-details-response-one-object": VersionDetails,
    "transport_and_format-example-version-information-response-list-of-objects": Version,
}
REST = {ADDED_EVSE, "tariffs-complex-tariff-example", "version_information_endpoint-example"}
WRAPPED: Final[dict[type[OcpiObject], str]] = {EnergyMix: "energy_mix", Hours: "opening_times"}
"""Examples of an object that stand there as the field that holds it."""


def body(name: str) -> Json:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))["body"]


def partner(profile: Profile, **facts: Any) -> Partner:
    return Partner(id="p1", our_role=Role.EMSP, state=State.REGISTERED, party=TNM, profile=profile, **facts)


def put_evse(value: Json, reader: Partner) -> IncomingPart:
    at = ObjectAddress(TNM, "1012", (value["uid"],), LOCATIONS.levels[1:])
    return read_put(at, value, reader, NOW)


def test_every_example_is_looked_at() -> None:
    """FMT-10: none of the 32 is forgotten."""
    looked_at = [*FLAWLESS, *SLOPPY, *PATCHES, *ENVELOPES, *REST]

    assert sorted(looked_at) == sorted(path.stem for path in EXAMPLES.glob("*.json"))
    assert len(looked_at) == 32


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", FLAWLESS)
def test_a_flawless_example_is_read_in_both_profiles_and_nothing_is_counted(name: str, profile: Profile) -> None:
    """FMT-10, FMT-11, TAR-09."""
    model = FLAWLESS[name]
    value = body(name)[WRAPPED[model]] if model in WRAPPED else body(name)

    assert read_value(model, value, profile, NOW).deviations == ()


@pytest.mark.parametrize("name", SLOPPY)
def test_an_example_that_breaks_a_rule_is_read_and_counted_in_lenient_and_refused_in_strict(name: str) -> None:
    """FMT-06, FMT-15, TRA-20, Q-15, Q-16, Q-31: what only looks odd, such as swapped coordinates, is not seen."""
    model, expected = SLOPPY[name]

    lenient = read_value(model, body(name), Profile.LENIENT, NOW)

    assert {(each.rule, each.path) for each in lenient.deviations} == expected
    with pytest.raises(InvalidParameters) as refused:
        read_value(model, body(name), Profile.STRICT, NOW)
    assert [rule for rule, _ in expected if rule not in str(refused.value)] == []


@pytest.mark.parametrize("profile", Profile)
def test_the_complex_tariff_is_read_in_both_profiles_and_warned_of_its_last_element(profile: Profile) -> None:
    """TAR-08: that its amperes stand where kW belong cannot be seen."""
    reading = read_value(TARIFFS.model, body("tariffs-complex-tariff-example"), profile, NOW)

    assert [(each.rule, each.path) for each in reading.deviations] == [("TAR-08", "elements")]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", PATCHES)
def test_an_example_of_a_patch_is_merged_in_both_profiles(name: str, profile: Profile) -> None:
    """TRA-22, SES-05: the tariff's is headed PUT, but says PATCH and holds one field."""
    module, known, path = PATCHES[name]
    at = ObjectAddress(TNM, known[module.levels[0].id_field] if not path else "1012", path, module.levels[len(path) :])

    push = read_patch(at, known, body(name), partner(profile), NOW)

    assert push.part == known | body(name) | {"last_updated": "2026-03-01T12:00:00Z"}
    assert push.deviations == ()
    assert push.stamped_by_us


@pytest.mark.parametrize("profile", Profile)
def test_the_tariff_patch_that_is_headed_put_is_refused_as_a_put(profile: Profile) -> None:
    """TRA-20, TRA-21: it lacks the id and the currency, which nothing can stand in for."""
    with pytest.raises(InvalidParameters, match="id is missing"):
        read_value(TARIFFS.model, body("tariffs-example-change-tariff-to-2-50"), profile, NOW)


def test_the_added_evse_is_read_where_incomplete_locations_are_accepted() -> None:
    """Q-16, Q-31, FMT-07, TRA-20."""
    push = put_evse(body(ADDED_EVSE), partner(Profile.LENIENT, accept_incomplete_locations=True))

    assert {(each.rule, each.path) for each in push.deviations} == {
        ("FMT-07", "floor_level"),
        ("FMT-07", "physical_reference"),
        ("TRA-20", "connectors[].amperage"),
        ("TRA-20", "connectors[].last_updated"),
        ("TRA-20", "connectors[].power_type"),
        ("TRA-20", "connectors[].voltage"),
        ("TRA-20", "last_updated"),
    }
    assert (push.part["floor_level"], push.part["physical_reference"]) == ("-1", "3")


@pytest.mark.parametrize(
    "reader",
    [
        partner(Profile.LENIENT),
        partner(Profile.STRICT),
        partner(Profile.STRICT, accept_incomplete_locations=True),
    ],
    ids=["lenient", "strict", "strict although accepted"],
)
def test_the_added_evse_is_refused_anywhere_else(reader: Partner) -> None:
    """Q-31, TRA-20."""
    with pytest.raises(InvalidParameters, match=r"Evse: connectors\[0\].power_type is missing \(TRA-20\)"):
        put_evse(body(ADDED_EVSE), reader)


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_example_of_an_answer_is_opened(name: str) -> None:
    """TRA-14: and what is inside is read strictly."""
    answer, model = read_answer(Response(200, {}, json.dumps(body(name)).encode())), ENVELOPES[name]

    if model is None:
        assert (answer.status_code, answer.status_message) == (2001, "Missing required field: type")
        assert not answer.is_accepted
        return
    data = data_of(answer, "GET")
    objects = data if isinstance(data, list) else [data]
    assert [read_value(model, each, Profile.STRICT, NOW).deviations for each in objects] == [()] * len(objects)
    assert objects


def test_the_list_of_versions_is_read() -> None:
    """VER-02."""
    versions = [read_value(Version, each, Profile.STRICT, NOW) for each in body("version_information_endpoint-example")]

    assert [each.value.version for each in versions] == ["2.1.1", "2.0"]
    assert [each.deviations for each in versions] == [(), ()]
