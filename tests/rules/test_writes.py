"""What a PUT, or the POST of a CDR, leaves behind at the receiver: the whole of what was sent, or nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.modules import MODULES
from chalicelib.ocpi.module import ModuleID
from chalicelib.ocpi.reading import Profile
from tests import make, oracle, specimens
from tests.rules.every import CHANGE, SPEC_NAME, as_read, every_client_owned_module, every_module, sent_to
from tests.world import Pair, pair

Json = Any

CREATED, UPDATED, REFUSED, MISSING = (201, 1000), (200, 1000), (200, 2001), 404
CDRS = ModuleID.CDRS

FIELDS = [(module, field) for module in MODULES for field in oracle.fields(SPEC_NAME[module]).values()]
REQUIRED = [(module, field.name) for module, field in FIELDS if field.is_required]
OPTIONAL = [(module, field) for module, field in FIELDS if not field.is_required and field.name != "evses"]
"""Without the EVSEs, which nobody can delete (Q-29)."""


def strict(module: ModuleID) -> Pair:
    """Two nodes, of which the module's receiver forgives nothing."""
    nodes = pair()
    side = nodes.receiver(module)
    side.company.registrations.update(side.partners()[0], profile=Profile.STRICT)
    return nodes


def held(nodes: Pair, module: ModuleID) -> tuple[int, Json]:
    """HTTP status and data of the object ``x`` at the receiver."""
    reply = nodes.to_receiver(module)("GET", nodes.at_receiver(module, "x"))
    return reply.status, reply.data


@pytest.mark.parametrize(("module", "field"), REQUIRED)
def test_without_a_required_field_nothing_is_stored(module: ModuleID, field: str) -> None:
    """TRA-20, TRA-16, SES-07, CDR-10, TOK-05: neither as something new nor over what is there."""
    nodes, whole = strict(module), specimens.complete(SPEC_NAME[module])
    spoilt = [specimens.without(whole, (field,)), specimens.put(whole, (field,), None)]
    call = nodes.to_receiver(module)
    url = nodes.at_receiver(module) if module is CDRS else nodes.at_receiver(module, "x")
    method = "POST" if module is CDRS else "PUT"
    fresh = [call(method, url, one).outcome for one in spoilt]
    nothing = held(nodes, module)
    created = call(method, url, whole).outcome
    over = [call(method, url, one).outcome for one in spoilt]

    assert (fresh, nothing) == ([REFUSED] * 2, (MISSING, None))
    assert created == CREATED
    assert (over, held(nodes, module)) == ([REFUSED] * 2, (200, whole))


@pytest.mark.parametrize(("module", "field"), [each for each in OPTIONAL if each[0] is not CDRS])
def test_what_a_put_leaves_out_is_gone(module: ModuleID, field: oracle.Field) -> None:
    """TRA-21, TRA-36: or its default; null and an empty list leave it out, too."""
    nodes, whole = strict(module), specimens.complete(SPEC_NAME[module])
    bare = specimens.without(whole, (field.name,))
    spellings = [bare, bare | {field.name: None}] + ([bare | {field.name: []}] if field.is_list else [])
    assert sent_to(nodes, module, whole).outcome == CREATED
    assert held(nodes, module) == (200, whole)

    found = []
    for spelled in spellings:
        sent_to(nodes, module, whole)
        assert sent_to(nodes, module, spelled).outcome == UPDATED
        found.append(held(nodes, module))

    assert found == [(200, as_read(module, bare))] * len(spellings)


@pytest.mark.parametrize("field", [field for module, field in OPTIONAL if module is CDRS], ids=lambda field: field.name)
def test_a_cdr_says_the_same_without_a_field_as_with_nothing_in_it(field: oracle.Field) -> None:
    """TRA-36, CDR-05, CDR-08: so the second and third are repeats of the first, and no contradiction."""
    nodes, whole = strict(CDRS), specimens.complete("CDR")
    bare = specimens.without(whole, (field.name,))
    spellings = [bare, bare | {field.name: None}, bare | ({field.name: []} if field.is_list else {})]

    outcomes = [sent_to(nodes, CDRS, spelled).outcome for spelled in spellings]

    assert outcomes == [CREATED, UPDATED, UPDATED]
    assert held(nodes, CDRS) == (200, bare)
    assert sent_to(nodes, CDRS, whole).outcome == REFUSED


@every_module
def test_a_complete_object_is_read_as_it_was_written(module: ModuleID) -> None:
    """CDR-05, LOC-11, LOC-17, SES-04, TAR-02, TOK-01: with every field that the spec knows."""
    nodes, whole = strict(module), specimens.complete(SPEC_NAME[module])

    assert sent_to(nodes, module, whole).outcome == CREATED
    assert held(nodes, module) == (200, whole)


@every_client_owned_module
def test_the_first_put_creates_and_the_second_replaces(module: ModuleID) -> None:
    """TRA-26, LOC-11, SES-04, TAR-02, TOK-01: 201, then 200; and what is read is what was put last."""
    nodes = pair()
    call, url = nodes.to_receiver(module), nodes.at_receiver(module, "X1")
    first, second = make.object_of(module), make.object_of(module, **CHANGE[module])

    answers = [(call("PUT", url, value).outcome, call("GET", url).data) for value in (first, second)]

    assert answers == [((201, 1000), as_read(module, first)), ((200, 1000), as_read(module, second))]
