"""A partner that knows OCPI well enough to keep what it is sent, and keeps score of what it should not have been sent.

It shares no code with the node. It forgets what it has not saved when it restarts, and then pulls our lists (OFF-04).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from chalicelib.ocpi.errors import Unreachable
from chalicelib.ocpi.http import Request, Response
from tests.chaos.network import LATE

Json = dict[str, Any]
Key = tuple[str, str]
"""Module and id."""
Parts = tuple[tuple[str, str], ...]

_ID = {"locations": "id", "tariffs": "id", "sessions": "id", "cdrs": "id", "tokens": "uid"}
_PARTS: dict[str, Parts] = {"locations": (("evses", "uid"), ("connectors", "id"))}
_OK = {"status_code": 1000, "timestamp": "2026-03-01T12:00:00Z"}


class _Missing(Exception):
    """There is no such object or part."""


@dataclass
class Memory:
    """What the partner knows; values are replaced, never changed, so that a copy of the dictionaries is a copy."""

    objects: dict[Key, Json] = field(default_factory=dict)
    newest: dict[tuple[str, ...], str] = field(default_factory=dict)
    """The ``last_updated`` of what was pushed last, by module, id and the ids of parts."""
    posted: Counter[str] = field(default_factory=Counter)
    """How often each CDR was posted; one that was pulled and posted is one all the same (CDR-23)."""

    def copy(self) -> Memory:
        return Memory(dict(self.objects), dict(self.newest), Counter(self.posted))


@dataclass
class Receiver:
    """A partner's interfaces for our objects."""

    host: str
    modules: Sequence[str]
    otherwise: Callable[[Request], Response]
    """Answers versions and credentials."""
    pulled: Callable[[str], list[Json] | None]
    """Our list of a module, or None where it cannot be had now."""
    memory: Memory = field(default_factory=Memory)
    saved: Memory = field(default_factory=Memory)
    violations: list[str] = field(default_factory=list)
    is_starting: bool = False

    def held(self, module: str) -> dict[str, Json]:
        """What it knows of a module's objects, by id."""
        return {object_id: each for (of, object_id), each in self.memory.objects.items() if of == module}

    # --- its life ----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """What it knows now it will not forget."""
        self.saved = self.memory.copy()

    def restart(self) -> None:
        """Forget what is not saved, and answer nobody until it has our lists."""
        self.memory, self.is_starting = self.saved.copy(), True

    def start(self) -> None:
        """Fetch our lists, if it has to and can."""
        lists = {module: self.pulled(module) for module in self.modules} if self.is_starting else {}
        if not lists or None in lists.values():
            return
        for module, listed in lists.items():
            self._supersede(module, {each[_ID[module]]: each for each in listed or ()})
        self.is_starting = False
        self.save()

    def _supersede(self, module: str, listed: dict[str, Json]) -> None:
        objects = self.memory.objects
        for object_id, each in listed.items():
            known = objects.get((module, object_id))
            if known is not None and known["last_updated"] > each["last_updated"]:
                continue
            objects[module, object_id] = each
        for key in [key for key in objects if key[0] == module and key[1] not in listed]:
            # Any older information that is not listed is no longer valid.
            del objects[key]

    # --- what it answers ---------------------------------------------------------------------------------------------

    def __call__(self, request: Request) -> Response:
        if self.is_starting:
            raise Unreachable("connection refused", unsent=True)
        steps = unquote(request.url).removeprefix("/2.1.1/").split("/")
        if not request.url.startswith("/2.1.1/") or steps[0] not in self.modules:
            return self.otherwise(request)
        if steps[0] == "cdrs":
            return self._cdr(request, steps[1:])
        try:
            return self._object(request, (steps[0], steps[3]), tuple(steps[4:]))
        except _Missing:
            return _frame(404, status_code=2000)

    def _cdr(self, request: Request, steps: Sequence[str]) -> Response:
        if request.method == "GET":
            found = self.memory.objects.get(("cdrs", steps[0]))
            return _frame(404, status_code=2000) if found is None else _frame(200, data=found)
        cdr = json.loads(request.body)
        self.memory.posted[cdr["id"]] += 1
        self.memory.objects["cdrs", cdr["id"]] = cdr
        return _frame(201, {"location": f"https://{self.host}/2.1.1/cdrs/{cdr['id']}"})

    def _object(self, request: Request, key: Key, path: tuple[str, ...]) -> Response:
        objects, parts = self.memory.objects, _PARTS.get(key[0], ())
        whole, body = objects.get(key), json.loads(request.body) if request.body else {}
        known = None if whole is None else _found(whole, parts, path)
        if request.method == "DELETE":
            if whole is None:
                raise _Missing
            del objects[key]
            self._forget(key)
            return _frame(200)
        if known is None and (request.method != "PUT" or (path and whole is None)):
            raise _Missing
        if request.method == "GET":
            return _frame(200, data=known)
        self._judge(request, key, path, body)
        if known is None or body["last_updated"] >= known["last_updated"]:
            after = body if request.method == "PUT" else (known or {}) | body
            objects[key] = _replaced(whole or {}, parts, path, after)
        return _frame(200 if known else 201)

    def _judge(self, request: Request, key: Key, path: tuple[str, ...], body: Json) -> None:
        """Note each state that is older than one that was pushed before, unless the network held it back."""
        if LATE in request.headers:
            return
        for where, stamp in _stamps(body, _PARTS.get(key[0], ())[len(path) :], (*key, *path)):
            if stamp < self.memory.newest.get(where, ""):
                self.violations.append(f"{request.method} of {where} as of {stamp}, not {self.memory.newest[where]}")
            self.memory.newest[where] = stamp

    def _forget(self, key: Key) -> None:
        for where in [where for where in self.memory.newest if where[:2] == key]:
            del self.memory.newest[where]


def _frame(status: int, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    return Response(status, headers or {}, json.dumps(_OK | fields).encode())


def _found(whole: Json, parts: Parts, path: tuple[str, ...]) -> Json | None:
    if not path:
        return whole
    (name, id_field), *inner = parts
    part = next((each for each in whole.get(name, ()) if each[id_field] == path[0]), None)
    return None if part is None else _found(part, tuple(inner), path[1:])


def _replaced(whole: Json, parts: Parts, path: tuple[str, ...], part: Json) -> Json:
    if not path:
        return part
    (name, id_field), *inner = parts
    known = next((each for each in whole.get(name, ()) if each[id_field] == path[0]), None)
    if known is None and len(path) > 1:
        raise _Missing
    after = _replaced(known or {}, tuple(inner), path[1:], part)
    siblings = [after if each is known else each for each in whole.get(name, ())] + ([] if known else [after])
    return whole | {name: siblings, "last_updated": max(whole["last_updated"], after["last_updated"])}


def _stamps(body: Json, parts: Parts, where: tuple[str, ...]) -> list[tuple[tuple[str, ...], str]]:
    found = [(where, body["last_updated"])]
    for name, id_field in parts[:1]:
        for each in body.get(name, ()):
            found += _stamps(each, parts[1:], (*where, each[id_field]))
    return found
