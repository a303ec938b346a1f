"""A conversation with a partner as a generator of requests, and the loop that drives it; tests hand it answers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.http import Request

T = TypeVar("T")

Flow = Generator[Request, Answer, T]
"""Yields what to ask, is sent what was answered, returns what came of it."""


def drive(flow: Flow[T], send: Callable[[Request], Answer]) -> T:
    """What the conversation comes to when ``send`` carries its requests."""
    try:
        request = next(flow)
        while True:
            request = flow.send(send(request))
    except StopIteration as done:
        result: T = done.value
        return result
