"""Clients for calls to partners that may call loopback."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from chalicelib.adapters.http.addresses import addresses_of
from chalicelib.adapters.http.limits import HttpLimits
from chalicelib.adapters.http.web import HttpWeb

Resolve = Callable[[str], Sequence[str]]


@pytest.fixture(scope="session")
def system_trust() -> ssl.SSLContext:
    """What a client uses without a context of its own; loading it for every test would take most of their time."""
    return ssl.create_default_context()


@pytest.fixture
def make_web(system_trust: ssl.SSLContext) -> Iterator[Callable[..., HttpWeb]]:
    """Clients that may call loopback, and that are closed at the end."""
    made: list[HttpWeb] = []

    def make(resolve: Resolve = addresses_of, ssl_context: ssl.SSLContext = system_trust, **limits: Any) -> HttpWeb:
        limited = HttpLimits(**limits)
        made.append(HttpWeb(open_network=True, limits=limited, ssl_context=ssl_context, resolve=resolve))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def web(make_web: Callable[..., HttpWeb]) -> HttpWeb:
    return make_web()
