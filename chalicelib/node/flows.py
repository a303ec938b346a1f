"""Sans-I/O conversations: a sequence of requests to a partner as a generator, and the loop that runs it.

The generator does no I/O itself, so a test can run it with answers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from chalicelib.ocpi.answer import Answer
from chalicelib.ocpi.http import Request

T = TypeVar("T")

Flow = Generator[Request, Answer, T]
"""Yields requests, is sent each answer, and returns the result of the conversation."""


def drive(flow: Flow[T], send: Callable[[Request], Answer]) -> T:
    """The result of the conversation; ``send`` makes its requests."""
    try:
        request = next(flow)
        while True:
            request = flow.send(send(request))
    except StopIteration as done:
        result: T = done.value
        return result
