"""Every string, URL and enum of the spec's tables, in both profiles: what fits is taken, what does not is named."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.ocpi.reading import Profile
from tests.oracle import ENUMS, Field
from tests.rules.receiving import CREATED, REFUSED, counted_as, id_field, model_name, receiving
from tests.specimens import ROOTS, Path, at, complete, named, own_places, put

Value = tuple[str, Path, Field]
VALUES: list[Value] = [
    (name, (*path, 0) if field.is_list else path, field) for name in ROOTS for path, field in own_places(name)
]
STRINGS = [value for value in VALUES if value[2].is_string and not value[2].form]
OTHERWISE = {"Status": "UNKNOWN", "TokenType": "OTHER", "WhitelistType": "NEVER", "Allowed": "NOT_ALLOWED"}
"""What an unknown value of these enums is taken for; that of any other is kept raw."""


def each(values: list[Value]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("name", "path", "field"), values, ids=[f"{name}.{named(path)}" for name, path, _ in values]
    )


each_string = each(STRINGS)
each_enum = each([value for value in VALUES if value[2].type in ENUMS])


def text_for(field: Field, length: int) -> str:
    return ("https://example.com/" if field.type == "URL" else "").ljust(length, "a")


def rule_of(field: Field) -> str:
    return "FMT-08" if field.type == "URL" else "FMT-10"


def most_forgiven(field: Field) -> int:
    """Q-18: 255 for what the spec makes shorter and for ids, 1024 for texts and URLs that it makes as long as that."""
    texts = {("DisplayText", "text"), ("Location", "name"), ("CDR", "remark")}
    is_prose = field.type == "URL" or (field.owner, field.name) in texts
    return 1024 if is_prose else 255


@each_string
def test_a_string_of_the_greatest_length_is_taken(name: str, path: Path, field: Field) -> None:
    """FMT-08, FMT-10."""
    strict, longest = receiving(Profile.STRICT), text_for(field, field.length)

    reply = strict.put(name, put(complete(name), path, longest))

    assert reply.outcome == CREATED
    assert at(strict.held(name, longest if path == (id_field(name),) else "x"), path) == longest
    assert strict.counted() == set()


@each_string
def test_a_longer_string_is_refused_in_strict(name: str, path: Path, field: Field) -> None:
    """FMT-08, FMT-09, FMT-10, TRA-16: the place and the rule are named, the value is not."""
    strict, too_long = receiving(Profile.STRICT), text_for(field, field.length + 1)

    reply = strict.put(name, put(complete(name), path, too_long))

    assert reply.outcome == REFUSED
    assert f"{model_name(name)}: {named(path)} " in reply.message
    assert f"({rule_of(field)})" in reply.message
    assert too_long not in reply.message
    assert strict.held(name) is None
    assert strict.held(name, too_long) is None


@each([value for value in STRINGS if value[2].length < most_forgiven(value[2])])
def test_a_longer_string_is_taken_and_counted_in_lenient(name: str, path: Path, field: Field) -> None:
    """FMT-08, FMT-10, Q-18."""
    lenient, long = receiving(Profile.LENIENT), text_for(field, most_forgiven(field))

    reply = lenient.put(name, put(complete(name), path, long))

    assert reply.outcome == CREATED
    assert at(lenient.held(name, long if path == (id_field(name),) else "x"), path) == long
    assert lenient.counted() == {(rule_of(field), counted_as(path))}


@each_string
def test_there_is_a_length_that_nobody_is_forgiven(name: str, path: Path, field: Field) -> None:
    """FMT-10, Q-18."""
    lenient, endless = receiving(Profile.LENIENT), text_for(field, most_forgiven(field) + 1)

    reply = lenient.put(name, put(complete(name), path, endless))

    assert reply.outcome == REFUSED
    assert lenient.held(name) is None
    assert lenient.counted() == set()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *[(name, (id_field(name),)) for name in ROOTS if name != "AuthorizationInfo"],
        ("Location", ("evses", 0, "uid")),
        ("Location", ("evses", 0, "connectors", 0, "id")),
        ("AuthorizationInfo", ("location", "location_id")),
    ],
)
@pytest.mark.parametrize("profile", Profile)
def test_an_id_is_not_empty(name: str, path: Path, profile: Profile) -> None:
    """FMT-10: it has to make a segment of a URL."""
    node = receiving(profile)

    reply = node.put(name, put(complete(name), path, ""))

    assert reply.outcome[0] != 201
    assert node.held(name) is None
    assert node.held(name, "") is None


@each_string
def test_a_control_character_is_refused(name: str, path: Path, field: Field) -> None:
    """FMT-07, Q-19: by everybody, in every string."""
    lenient = receiving(Profile.LENIENT)

    for character in ("\x00", "\x1b", "\x7f", "\x9f"):
        reply = lenient.put(name, put(complete(name), path, text_for(field, 30)[: field.length - 1] + character))

        assert reply.outcome == REFUSED
        assert f"{named(path)} contains a control character (FMT-07)" in reply.message
        assert lenient.held(name) is None


@pytest.mark.parametrize("white", ["\n", "\r", "\t"], ids=ascii)
@pytest.mark.parametrize("profile", Profile)
def test_line_breaks_are_taken_in_prose_alone(white: str, profile: Profile) -> None:
    """FMT-07, FMT-09: decision 2."""
    prose, address, node = f"Left{white}then right", f"Market{white}1", receiving(profile)
    location = complete("Location")

    taken = node.put("Location", put(location, ("directions", 0, "text"), prose))
    refused = node.put("Location", put(location, ("address",), address))

    assert (taken.outcome, refused.outcome) == (CREATED, REFUSED)
    assert at(node.held("Location"), ("directions", 0, "text")) == prose
    assert node.counted() == {("FMT-07", "directions[].text")}


@pytest.mark.parametrize("profile", Profile)
def test_text_beyond_ascii_is_taken_as_it_is_and_measured_in_characters(profile: Profile) -> None:
    """FMT-07, Q-18, Q-19."""
    node = receiving(profile)
    forty_five = "Łódź, ul. Żółta 東京 " + "😀" * 25

    reply = node.put("Location", complete("Location") | {"address": forty_five.ljust(45, "e")[:44] + "\u0301"})

    assert reply.outcome == CREATED
    assert at(node.held("Location"), ("address",)) == forty_five.ljust(45, "e")[:44] + "\u0301"
    assert node.counted() == set()


@pytest.mark.parametrize("profile", Profile)
def test_markup_in_prose_is_taken_and_counted(profile: Profile) -> None:
    """FMT-09."""
    node = receiving(profile)

    reply = node.put("Tariff", put(complete("Tariff"), ("tariff_alt_text", 0, "text"), "<b>2 euro</b> per hour"))

    assert reply.outcome == CREATED
    assert node.counted() == {("FMT-09", "tariff_alt_text[].text")}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Tariff", ("tariff_alt_text", 0, "language")),
        ("Token", ("language",)),
        ("AuthorizationInfo", ("info", "language")),
    ],
)
def test_a_language_is_two_letters(name: str, path: Path) -> None:
    """FMT-09: a longer tag is cut for a lenient partner."""
    tagged = put(complete(name), path, "en-GB")
    strict, lenient = receiving(Profile.STRICT), receiving(Profile.LENIENT)

    assert strict.put(name, tagged).outcome == REFUSED
    assert lenient.put(name, tagged).outcome == CREATED
    assert at(lenient.held(name), path) == "en"
    assert lenient.counted() == {("FMT-09", counted_as(path))}
    for wrong in ("eng", "english", "e"):
        assert lenient.put(name, put(tagged, path, wrong)).outcome == REFUSED


@pytest.mark.parametrize("profile", Profile)
def test_a_link_that_is_no_absolute_url_is_taken_and_counted(profile: Profile) -> None:
    """FMT-08: people follow these links, the node does not."""
    node = receiving(profile)

    reply = node.put("Tariff", complete("Tariff") | {"tariff_alt_url": "www.example.com/prices"})

    assert reply.outcome == CREATED
    assert node.counted() == {("FMT-08", "tariff_alt_url")}


@each_enum
def test_every_value_of_an_enum_is_taken(name: str, path: Path, field: Field) -> None:
    """FMT-11, FMT-21."""
    strict = receiving(Profile.STRICT)

    for value in ENUMS[field.type]:
        assert strict.put(name, put(complete(name), path, value)).code == 1000, value
        assert at(strict.held(name), path) == value

    assert strict.counted() == set()


@each_enum
@pytest.mark.parametrize("wrong", ["GBT_AC", "", "lower case"])
def test_any_other_value_is_refused_in_strict(name: str, path: Path, field: Field, wrong: str) -> None:
    """FMT-11, TRA-35, Q-20: letter case matters."""
    strict = receiving(Profile.STRICT)
    value = ENUMS[field.type][0].swapcase() if wrong == "lower case" else wrong

    reply = strict.put(name, put(complete(name), path, value))

    assert reply.outcome == REFUSED
    assert f"{named(path)} is not a value of this enum (FMT-11)" in reply.message
    assert strict.held(name) is None


@each_enum
def test_an_unknown_value_is_kept_raw_and_counted_in_lenient(name: str, path: Path, field: Field) -> None:
    """FMT-11, Q-20: but a status that nobody knows is UNKNOWN, and an unknown permission is none."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, "FROM_OCPI_2_2"))

    assert reply.outcome == CREATED
    assert at(lenient.held(name), path) == OTHERWISE.get(field.type, "FROM_OCPI_2_2")
    assert lenient.counted() == {("FMT-11", counted_as(path))}


@each_enum
@pytest.mark.parametrize("wrong", ["", "x" * 256, "NEW\x00", True, {}], ids=lambda wrong: repr(wrong)[:9])
def test_what_can_be_no_value_of_any_enum_is_refused_by_everybody(
    name: str, path: Path, field: Field, wrong: Any
) -> None:
    """FMT-11: but whatever text stands for a status or a permission, it is UNKNOWN or none."""
    lenient = receiving(Profile.LENIENT)

    reply = lenient.put(name, put(complete(name), path, wrong))

    means_something = field.type in OTHERWISE and isinstance(wrong, str)
    assert reply.outcome == (CREATED if means_something else REFUSED)
    assert at(lenient.held(name) or {}, path) == (OTHERWISE[field.type] if means_something else None)
