"""What hypothesis may choose from: objects with a few values exchanged, for near misses and for nonsense."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tests.specimens import Path, at, complete, places, put, without

Json = Any

NEAR_MISSES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 7, 7.0, 7.5, 230.12345, 0.00001, -0.0, 2**31, 10**12, 10**30, 1e300),
    *("", " ", "x", "X" * 37, "x" * 256, "x" * 1025, "ß" * 40, "😀" * 46, "null", "true"),
    *("\x00", "a\x1bb", "a\nb", "\x7f", "\ud800", "x\udfff", "\u202e", "<script>alert(1)</script>"),
    *("7", "7.0", "-7.5", "1e3", "NaN", "Infinity", "0x10", "٣", "2,5"),
    *(
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00.123456789+02:00",
        "9999-12-31T23:59:59-12:00",
    ),
    *("0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "2026-02-30T00:00:00Z"),
    *("2026-01-01", "yesterday"),
    *("52.090737", "52.1", "-180.000000", "999.000000", "9:00", "24:00", "08:00", "NL", "NLD", "nld", "EUR", "eur"),
    *("AVAILABLE", "available", "ENERGY", "GBT_AC", "UNKNOWN", "../../etc/passwd", "https://x.example", "http://["),
    *([], {}, [None], [[]], [{}], {"": None}, {"id": "x"}, ["AVAILABLE"], [1, "a", None], {"a": {"b": [{}]}}),
)

SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
VALUES: Final = st.sampled_from(NEAR_MISSES) | JSON


@st.composite
def sloppy(draw: st.DrawFn, name: str, most: int = 4) -> Json:
    """A complete object with up to so many of its values, at any depth, exchanged, left out, or given twice."""
    value = complete(name)
    everywhere = list(places(name))
    for _ in range(draw(st.integers(0, most))):
        path, field = draw(st.sampled_from(everywhere))
        how = draw(st.sampled_from(("exchange", "leave out", "one of" if field.is_list else "exchange", "twice")))
        try:
            value = _changed(draw, how, value, path)
        except (KeyError, IndexError, TypeError):
            # What is above this place is gone already.
            continue
    return value


def _changed(draw: st.DrawFn, how: str, value: Json, path: Path) -> Json:
    if how == "leave out":
        return without(value, path)
    if how == "one of":
        return put(value, (*path, 0), draw(VALUES))
    given = at(value, path)
    return put(value, path, given * 2 if how == "twice" and isinstance(given, list) else draw(VALUES))
