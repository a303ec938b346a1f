"""From bytes to an object: strict, or lenient with every leniency written down, and never a value in a message."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.modules.cdrs.objects import Cdr
from chalicelib.modules.locations.objects import Evse, Location
from chalicelib.modules.sessions.objects import Session
from chalicelib.modules.tariffs.objects import Tariff
from chalicelib.modules.tokens.objects import AuthorizationInfo, Token
from chalicelib.ocpi.errors import InvalidJson, InvalidParameters
from chalicelib.ocpi.reading import Profile, parse, read, read_value
from chalicelib.ocpi.types import OcpiObject, Text
from tests import make
from tests.rules.hostile import CANARY, GARBAGE, with_canaries
from tests.rules.strategies import JSON, sloppy

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODELS: dict[str, type[OcpiObject]] = {
    "Location": Location,
    "Tariff": Tariff,
    "Session": Session,
    "CDR": Cdr,
    "Token": Token,
    "AuthorizationInfo": AuthorizationInfo,
}


class Small(OcpiObject):
    """An object with one rule."""

    id: Annotated[str, Text(limit=5)]


@given(st.binary() | st.sampled_from(GARBAGE))
def test_bytes_of_any_kind_are_json_or_one_of_two_errors(body: bytes) -> None:
    """TRA-15, TRA-16: and what is read can be written."""
    try:
        value = parse(body)
    except (InvalidJson, InvalidParameters):
        return

    assert json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode()) == value


@given(JSON)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    """TRA-15: in plain UTF-8, and with escapes, where two halves make one character."""
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize("depth", [1, 100, 199])
def test_nesting_that_real_objects_have_is_read(depth: int) -> None:
    """TRA-16."""
    assert json.dumps(parse(b"[" * depth + b"]" * depth)) == "[" * depth + "]" * depth


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_an_object_is_read_or_refused_without_repeating_it(profile: Profile, name: str, data: st.DataObject) -> None:
    """TRA-16, TRA-37: a message names paths and rules, never a value, and neither does a deviation."""
    value = with_canaries(data.draw(sloppy(name)))

    try:
        reading = read(MODELS[name], json.dumps(value).encode(), profile, NOW)
    except InvalidParameters as refused:
        said = str(refused)
    else:
        said = " ".join(f"{deviation.path} {deviation.rule} {deviation.what}" for deviation in reading.deviations)

    assert CANARY not in said


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_lenient_takes_whatever_strict_takes_and_makes_the_same_of_it(name: str, data: st.DataObject) -> None:
    """FMT-03, FMT-10, Q-18: what strict calls a breach, lenient at least writes down."""
    value = data.draw(sloppy(name))
    try:
        strict = read_value(MODELS[name], value, Profile.STRICT, NOW)
    except InvalidParameters:
        strict = None

    try:
        lenient = read_value(MODELS[name], value, Profile.LENIENT, NOW)
    except InvalidParameters:
        assert strict is None
        return

    if strict is None:
        assert lenient.deviations
    else:
        assert (lenient.value, lenient.deviations) == (strict.value, strict.deviations)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_was_mended_needs_no_mending_again(name: str, data: st.DataObject) -> None:
    """Q-16, Q-17: a mended object reads strictly, but for what lenient lets pass as it is."""
    try:
        first = read_value(MODELS[name], data.draw(sloppy(name)), Profile.LENIENT, NOW).value
    except InvalidParameters:
        return

    written = first.model_dump(mode="json", exclude_none=True)
    again = read_value(MODELS[name], written, Profile.LENIENT, NOW)

    assert again.value.model_dump(mode="json", exclude_none=True) == written
    assert {deviation.rule for deviation in again.deviations} <= {
        *("FMT-05", "FMT-07", "FMT-08", "FMT-09", "FMT-10", "FMT-11", "FMT-12", "FMT-14", "FMT-18", "FMT-20"),
        *("LOC-25", "TAR-08", "SES-08", "CDR-12", "CDR-13", "CDR-15"),
    }


def test_each_breach_is_written_down_with_its_place_and_rule() -> None:
    """Q-16, Q-20, Q-31: mending one uncovers the next."""
    evse = make.evse(status="BROKEN", floor_level=-1, coordinates={"latitude": 52.1, "longitude": "4.5"})
    evse["connectors"] = [make.connector(voltage="230"), make.connector("2", voltage=400.0)]
    del evse["last_updated"]

    reading = read_value(Evse, evse, Profile.LENIENT, NOW)

    assert sorted((deviation.path, deviation.rule) for deviation in reading.deviations) == [
        ("connectors[].voltage", "FMT-19"),
        ("coordinates.latitude", "FMT-07"),
        ("coordinates.latitude", "FMT-12"),
        ("coordinates.longitude", "FMT-12"),
        ("floor_level", "FMT-07"),
        ("last_updated", "TRA-20"),
        ("status", "FMT-11"),
    ]


def test_a_refusal_names_five_breaches_and_counts_the_rest() -> None:
    """TRA-16: so that a body of nonsense gets a short answer."""
    with pytest.raises(InvalidParameters) as refused:
        read_value(Location, {"evses": [{} for _ in range(50)]}, Profile.LENIENT, NOW)

    assert str(refused.value).startswith("Location: id is missing (TRA-20); type is missing (TRA-20); ")
    assert str(refused.value).count("(TRA-20)") == 5
    assert str(refused.value).endswith("more")


@example("x" * 6)
@example("\ud800")
@given(st.text())
def test_a_breach_is_refused_where_nothing_forgives_it(text: str) -> None:
    """FMT-07, FMT-10."""
    is_right = len(text) <= 5 and not any(ord(c) < 32 or 127 <= ord(c) < 160 or 0xD800 <= ord(c) < 0xE000 for c in text)

    try:
        found = read_value(Small, {"id": text}, Profile.STRICT, NOW).value.id
    except InvalidParameters:
        assert not is_right
    else:
        assert is_right
        assert found == text


# --- many at once --------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
def test_who_are_the_first_to_read_an_object_at_the_same_time_all_read_it_whole() -> None:
    """TRA-16: a model is built when it is first used."""
    for _ in range(50):
        unused: type[Cdr] = type("Unused", (Cdr,), {})
        start = threading.Barrier(32)

        def first(_: int, model: type[Cdr] = unused, start: threading.Barrier = start) -> str:
            start.wait()
            return read_value(model, make.cdr("C1"), Profile.STRICT, NOW).value.id

        with ThreadPoolExecutor(32) as readers:
            assert list(readers.map(first, range(32))) == ["C1"] * 32
