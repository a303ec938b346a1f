"""Requests that no honest client sends: paths, methods, headers, queries and bodies of any kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hypothesis import strategies as st

from chalicelib.ocpi.http import Request
from tests import make
from tests.rules.strategies import JSON, sloppy

CANARY: Final = "canary-7351"
"""Stands in values that no answer may repeat."""

METHODS: Final = (
    "GET",
    "PUT",
    "PATCH",
    "POST",
    "DELETE",
    "OPTIONS",
    "HEAD",
    "TRACE",
    "PROPFIND",
    "get",
    "",
    "É",
    "X" * 99,
)

STEPS: Final = (
    *("%2F", "%2f%2F", "..", "%2e%2e", ".", "a/b", "%00", "%0a", "%", "%zz", "%C3%28", "%ED%A0%80", "%F0%9F%98%80"),
    *(
        "x" * 300,
        "%78" * 300,
        "é" * 255,
        "",
        " ",
        "+",
        "*",
        "null",
        "{id}",
        "<b>",
        "'",
        "L1;x=1",
        "L1?x",
        "DE",
        "de",
        "CPO",
    ),
)

AUTHORIZATIONS: Final = (
    *("", " ", "Token", "Token ", "Token " + CANARY, "Bearer " + CANARY, "Basic " + CANARY, "Token a b", "Token \x00"),
    *("Tökèn x", "Token é", "Token \ud800", "Token " + "x" * 65, "Token " + "x" * 201, "Token " + "x" * 100_000),
    *("Token ====", "Token " + base64.b64encode(b"\xff\xfe").decode(), " " * 10_000 + "Token x", "Token\t\n x"),
)

QUERY_VALUES: Final = (
    *("", " ", "0", "1", "-1", "1.5", "1e3", "9" * 400, "٣", "abc" + CANARY, "\x00", "\ud800", "NaN", "%"),
    *("2026-01-01T00:00:00Z", "2026-01-01T00:00:00 02:00", "2026-01-01T00:00:00+99:99", "0000-00-00T00:00:00Z"),
    *(
        "yesterday" + CANARY,
        "9999-12-31T23:59:59-12:00",
        "x" * 1025,
        "WzFd",
        "W10",
        "bnVsbA",
        "WyIiLCIiLDBd",
        "eyJhIjoxfQ",
    ),
)
QUERY_NAMES: Final = ("offset", "limit", "date_from", "date_to", "cursor", "after", "view", "type", "foo", "")

GARBAGE: Final = (
    *(
        b"",
        b" \n\t",
        b"{",
        b"}",
        b"[",
        b'"',
        b"\x00",
        b"\xff\xfe",
        b"nul",
        b"NaN",
        b'{"a":-Infinity}',
        b"01",
        b"{,}",
        b"1 2",
    ),
    *(b'{"id":"L1","id":"L1"}', b'{"a":{"b":1,"b":2}}', b'{"a":"\\ud800"}', b'{"\\udfff":1}', b'{"a":"\\u0000"}'),
    *(b'{"a":1e999}', b'{"a":-1e999}', b'{"a":1e-999}', b"9" * 5000, b'{"voltage":' + b"9" * 4000 + b"}"),
    *(
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xc3"}',
        b'\xef\xbb\xbf{"id":"L1"}',
        b"id=L1&name=x",
        b"<xml/>",
        b"\x1f\x8b\x08",
    ),
    *(json.dumps(make.location("L1")).encode(coding) for coding in ("utf-16", "utf-16-be", "utf-32", "utf-8-sig")),
    *(
        bracket * depth + close * depth
        for bracket, close in ((b"[", b"]"), (b'{"a":', b"}"))
        for depth in (190, 300, 10_000)
    ),
    *(b"[" * 10_000, b'{"evses":' + b"[" * 500, b'{"foo":' + b"[" * 195 + b"]" * 195 + b"}"),
)


OBJECTS: Final = {
    "location_id": ("Location", "id"),
    "evse_uid": ("EVSE", "uid"),
    "connector_id": ("Connector", "id"),
    "session_id": ("Session", "id"),
    "cdr_id": ("CDR", "id"),
    "tariff_id": ("Tariff", "id"),
    "token_uid": ("Token", "uid"),
    "credentials": ("Credentials", ""),
    "cdrs": ("CDR", ""),
    "authorize": ("LocationReferences", ""),
    "id": ("Location", "id"),
}
"""What the last step of a path is about, and the field that repeats it where it names an object."""


USUALLY: Final = st.sampled_from((True,) * 11 + (False,))
KINDS: Final = st.sampled_from(("object",) * 3 + ("fragment",) * 3 + ("json", "garbage", "bytes", "broken"))


@st.composite
def bodies(draw: st.DrawFn, template: str, right: Mapping[str, str]) -> bytes:
    """A body: nearly the right one for this path, JSON of any kind, or bytes."""
    kind = draw(KINDS)
    if kind in ("garbage", "bytes"):
        return draw(st.sampled_from(GARBAGE) if kind == "garbage" else st.binary(max_size=99))
    if kind == "json":
        return json.dumps(draw(JSON)).encode()
    step = template.rsplit("/", 1)[1].strip("{}")
    name, id_field = OBJECTS.get(step, ("Location", ""))
    value = with_canaries(draw(sloppy(name)))
    if id_field and draw(USUALLY):
        value[id_field] = right[step]
    if kind == "fragment":
        value = {field: value[field] for field in value if draw(st.booleans())}
    body = json.dumps(value).encode()
    return body[: draw(st.integers(0, len(body)))] if kind == "broken" else body


def with_canaries(value: Any) -> Any:
    """The same with a canary wherever a text is so long or odd that only a partner can have written it."""
    if isinstance(value, dict):
        return {name: with_canaries(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [with_canaries(inner) for inner in value]
    return CANARY + value[:240] if isinstance(value, str) and (len(value) > 30 or "<" in value) else value


ANYWHERE: Final = st.lists(st.sampled_from(("ocpi", "cpo", "operator", *STEPS)), max_size=9)


@st.composite
def paths(draw: st.DrawFn, template: str, right: Mapping[str, str]) -> str:
    """The template with right or hostile steps, sometimes with an odd end, rarely a path that is nowhere."""
    if not draw(USUALLY):
        return draw(st.sampled_from(("", "/"))) + "/".join(draw(ANYWHERE))
    path = template
    for name in right:
        if f"{{{name}}}" in path:
            path = path.replace(f"{{{name}}}", right[name] if draw(USUALLY) else draw(st.sampled_from(STEPS)))
    return path + ("" if draw(USUALLY) else draw(st.sampled_from(("/", "//"))))


@st.composite
def requests(draw: st.DrawFn, templates: Sequence[str], right: Mapping[str, str], authorization: str) -> Request:
    """A request to one of these paths; most of them may be made, and have a body that is nearly right."""
    template = draw(st.sampled_from(templates))
    headers = {
        "authorization": authorization if draw(USUALLY) else draw(st.sampled_from(AUTHORIZATIONS)),
        "content-type": draw(st.sampled_from(("application/json", "text/plain", "", "text/json; charset=utf-16", "é"))),
    }
    return Request(
        method=draw(st.sampled_from(METHODS[:4] * 7 + METHODS)),
        url=draw(paths(template, right)),
        headers=headers,
        query=draw(st.dictionaries(st.sampled_from(QUERY_NAMES), st.sampled_from(QUERY_VALUES), max_size=2)),
        body=draw(bodies(template, right)),
    )
