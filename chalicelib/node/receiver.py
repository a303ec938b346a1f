"""They own the object and push it to us: GET, PUT, PATCH and DELETE, once for every module.

Spec: transport_and_format.md, Client owned object push; rules TRA-19 to TRA-32, LOC-11 to LOC-24, SES-04 to SES-06,
TAR-02 to TAR-05, TOK-01 to TOK-03.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from chalicelib.node.attempts import Sleep, repeated
from chalicelib.node.bodies import encoded
from chalicelib.node.incoming import Addressed, Push, aside_after, capped, is_older, patch_of, put_of
from chalicelib.node.ports import ObjectStore, Stored, is_storable, theirs
from chalicelib.node.router import Call, Endpoint, Handler, version_root
from chalicelib.ocpi.envelope import success
from chalicelib.ocpi.errors import InvalidParameters, NotFound
from chalicelib.ocpi.http import Response
from chalicelib.ocpi.module import Module, ModuleID
from chalicelib.ocpi.parties import Party
from chalicelib.ocpi.parts import Json, difference, find, replaced, touched
from chalicelib.ocpi.reading import Deviation, parse
from chalicelib.ocpi.types import format_date_time


class Tallies(Protocol):
    """Counts what was forgiven; a ``PartnerStore`` does."""

    def tally(self, partner_id: str, counts: Mapping[str, int]) -> None:
        """Add to the partner's counters."""


Elsewhere = Callable[[Party, Json | None, Json], Json | None]
"""What an object is after a push, given what it was before, where another module knows better; else None."""


def nothing_known(_owner: Party, _before: Json | None, _whole: Json) -> None:
    """Of most objects we know nothing from elsewhere."""


class Receiver:
    """The receiver's interface of one module."""

    def __init__(
        self,
        module: Module,
        store: ObjectStore,
        tallies: Tallies,
        sleep: Sleep,
        elsewhere: Elsewhere = nothing_known,
    ) -> None:
        self._module = module
        self._store = store
        self._tallies = tallies
        self._sleep = sleep
        self._elsewhere = elsewhere

    def endpoints(self) -> Iterable[Endpoint]:
        """The module's URLs in the tree of whoever does not own it, one per depth."""
        role, module = self._module.owner.other, self._module
        root = f"{version_root(role)}/{module.identifier}"
        # The published URL itself addresses no object, but it exists (VER-04).
        yield Endpoint(role, module.identifier, root, {}, interface="receiver")
        path = f"{root}/{{country_code}}/{{party_id}}"
        for depth, level in enumerate(module.levels):
            path += f"/{{{level.url_parameter}}}"
            methods: dict[str, Handler] = {"GET": self.get, "PUT": self.put, "PATCH": self.patch}
            if module.deletable and not depth:
                methods["DELETE"] = self.delete
            yield Endpoint(role, module.identifier, path, methods, interface="receiver")

    def get(self, call: Call) -> Response:
        """What we hold of the object or part (LOC-17, TRA-17).

        Raises:
            NotFound: nothing, or it is not the caller's.
        """
        at = self._addressed(call)
        stored = self._meant(call, at)
        if stored is None:
            raise self._missing(at)
        if not at.path:
            return success(call.now, stored.body)
        part = find(json.loads(stored.body), self._module.levels, at.path)
        if part is None:
            raise self._missing(at)
        return success(call.now, encoded(part))

    def put(self, call: Call) -> Response:
        """Create or replace the object or part (TRA-19 to TRA-21, TRA-26).

        Raises:
            InvalidJson, InvalidParameters: the body is not such an object, or names another id (TRA-31).
            NotFound: the parent is unknown (LOC-14), or the owner is not the caller.
        """
        at = self._addressed(call)
        push = put_of(at, call.request.body, call.partner, call.now)
        created, remarks = repeated(lambda: self._put(call, at, push), self._sleep)
        count(self._tallies, call.partner.id, self._module.identifier, (*push.deviations, *remarks))
        return success(call.now, created=created)

    def _put(self, call: Call, at: Addressed, push: Push) -> tuple[bool, tuple[Deviation, ...]]:
        stored = self._stored(at, deleted=True)
        whole = None if stored is None or stored.aside.get("deleted_at") else json.loads(stored.body)
        if at.path and (whole is None or find(whole, self._module.levels, at.path[:-1]) is None):
            raise self._missing(at, parent=True)
        known = None if whole is None else find(whole, self._module.levels, at.path)
        if stored is not None and known is not None:
            if self._is_stale(call, at, stored, known, push):
                return False, ()
            push = push.keeping(at, known)
        return known is None, self._write(call, at, stored, whole or {}, push)

    def patch(self, call: Call) -> Response:
        """Change the given fields of the object or part; the merged whole must be valid (TRA-22, TRA-24).

        Raises:
            InvalidJson, InvalidParameters: not a JSON object, or the result would break a rule.
            NotFound: there is nothing to change.
        """
        at = self._addressed(call)
        patch = parse(call.request.body)
        if not isinstance(patch, dict):
            raise InvalidParameters("a PATCH is a JSON object (TRA-22)")
        deviations = repeated(lambda: self._patch(call, at, patch), self._sleep)
        count(self._tallies, call.partner.id, self._module.identifier, deviations)
        return success(call.now)

    def _patch(self, call: Call, at: Addressed, patch: Json) -> tuple[Deviation, ...]:
        stored = self._meant(call, at)
        whole = None if stored is None else json.loads(stored.body)
        known = None if whole is None else find(whole, self._module.levels, at.path)
        if stored is None or known is None:
            raise self._missing(at)
        if not at.path:
            patch = self._module.receiving.patched(known, patch)
        push = patch_of(at, known, patch, call.partner, call.now)
        if self._is_stale(call, at, stored, known, push):
            return ()
        says_nothing = push.stamped_by_us and not difference(known, push.part, at.levels)
        remarks: tuple[Deviation, ...] = ()
        if not says_nothing and push.part != known:
            remarks = self._write(call, at, stored, whole or {}, push)
        return (*push.deviations, *remarks)

    def delete(self, call: Call) -> Response:
        """Take the object away; we keep it aside for objects that still refer to it (TAR-03, TAR-16).

        Raises:
            NotFound: there is no such object.
        """
        at = self._addressed(call)
        repeated(lambda: self._delete(call, at), self._sleep)
        return success(call.now)

    def _delete(self, call: Call, at: Addressed) -> None:
        stored = self._stored(at)
        if stored is None:
            raise self._missing(at)
        aside = {"deleted_at": format_date_time(call.now)}
        tombstone = Stored(at.id, stored.body, stored.last_updated, stored.version + 1, aside=aside)
        self._store.put(theirs(at.owner), tombstone)

    # --- what the four have in common ----------------------------------------------------------------------------

    def _addressed(self, call: Call) -> Addressed:
        """What the URL addresses, if it is the caller's to address (TRA-30)."""
        try:
            owner = Party.of(call.params["country_code"], call.params["party_id"])
        except ValueError:
            owner = None
        if owner is None or owner != call.partner.party:
            raise NotFound("the country_code and party_id in the URL are not yours (TRA-30)")
        ids = [call.params[level.url_parameter] for level in self._module.levels if level.url_parameter in call.params]
        return Addressed(owner, ids[0], tuple(ids[1:]), self._module.levels[len(ids) - 1 :])

    def _stored(self, at: Addressed, *, deleted: bool = False) -> Stored | None:
        if not is_storable(at.id):
            return None
        stored = self._store.get(theirs(at.owner), at.id)
        return None if stored is None or (stored.aside.get("deleted_at") and not deleted) else stored

    def _meant(self, call: Call, at: Addressed) -> Stored | None:
        """What is stored, unless the query says that another one is meant (Q-51)."""
        stored, qualifier = self._stored(at), self._module.receiving.qualifier
        asked = call.request.query.get(qualifier) if qualifier else None
        return None if stored and asked and json.loads(stored.body).get(qualifier) != asked else stored

    def _missing(self, at: Addressed, *, parent: bool = False) -> NotFound:
        level = self._module.level_of(at.path[:-1]) if parent else at.level
        return self._module.not_found(f"we have no such {level.model.__name__} of {at.owner}")

    def _is_stale(self, call: Call, at: Addressed, stored: Stored, known: Json, push: Push) -> bool:
        """Whether the push is older than what we hold: accepted, not applied, counted (Q-32)."""
        stale = is_older(push, at, stored, known, call.now)
        if stale:
            self._tallies.tally(call.partner.id, {"stale_ignored": 1})
        return stale

    def _write(
        self, call: Call, at: Addressed, stored: Stored | None, whole: Json, push: Push
    ) -> tuple[Deviation, ...]:
        """Writes what the object is after the push, and says what the partner should not have done."""
        levels = self._module.levels
        after = replaced(whole, levels, at.path, push.part)
        after = touched(after, levels, at.path, format_date_time(push.stamp))
        after, remarks = self._module.receiving.succeeding(whole, after) if whole else (after, ())
        if known := self._elsewhere(at.owner, whole or None, after):
            # What we know from elsewhere overtook this push, which is nobody's fault.
            after, remarks = known, ()
        stamp, version = capped(push.stamp, call.now), stored.version + 1 if stored else 1
        if stored is not None and at.path:
            stamp = max(stamp, stored.last_updated)
        aside, keys = aside_after(stored, at, push), self._module.keys_of(after)
        new = Stored(at.id, encoded(after), stamp, version, aside=aside, keys=keys)
        self._store.put(theirs(at.owner), self._with_absent_parts(new, whole, after))
        return remarks

    def _with_absent_parts(self, new: Stored, before: Json, after: Json) -> Stored:
        """Remembers parts that a whole no longer lists although the spec forbids to delete them (Q-29)."""
        lasting = [level for level in self._module.levels[1:2] if level.removed]
        if not lasting:
            return new
        level = lasting[0]
        listed = {part[level.id_field] for part in after.get(level.list_field) or ()}
        absent = {part[level.id_field]: part for part in before.get(level.list_field) or ()}
        absent = {**new.aside.get("absent", {}), **absent}
        absent = {part_id: part for part_id, part in absent.items() if part_id not in listed}
        aside = {name: value for name, value in new.aside.items() if name != "absent"}
        if absent:
            aside["absent"] = absent
        return replace(new, aside=aside)


def count(tallies: Tallies, partner_id: str, module: ModuleID, deviations: Iterable[Deviation]) -> None:
    """Count what was forgiven, by rule, place and fault; one call, or none."""
    counts: dict[str, int] = {}
    for deviation in deviations:
        name = f"lenient {deviation.rule} {module} {deviation.path} {deviation.what}"
        counts[name] = counts.get(name, 0) + 1
    if counts:
        tallies.tally(partner_id, counts)
