"""What goes wrong and when: drawn from a seed, until it is calm."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from tests.modules.crashing import Died
from tests.node.faults import Broken

T = TypeVar("T")

_DEEPEST = 3
"""How many are at work at the same time, each while the one before it waits for an answer."""


class Weather:
    """Draws what happens. In calm weather nothing goes wrong, but the order of things stays a matter of chance."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be drawn again, not a secret
        self.is_calm = False

    def strikes(self, share: float) -> bool:
        """Whether it goes wrong this time."""
        return not self.is_calm and self._random.random() < share

    def flips(self, share: float) -> bool:
        """Whether something harmless happens this time."""
        return self._random.random() < share

    def one_of(self, choices: Sequence[T]) -> T:
        return choices[int(self._random.random() * len(choices))]

    def number(self, least: int, most: int) -> int:
        return least + int(self._random.random() * (most - least + 1))


class Worker:
    """Where a process of ours waits for somebody else: there the world goes on, and there it may fail or die."""

    def __init__(self, weather: Weather, meanwhile: Callable[[], object], *, fails: float, yields: float) -> None:
        self._weather = weather
        self._meanwhile = meanwhile
        self._fails = fails
        self._yields = yields
        self._depth = 0
        self.failures = 0

    def call(self, name: str, action: Callable[[], T], yields: float | None = None) -> T:
        """The answer of a port, unless we do not live to see it."""
        self.pause(self._yields if yields is None else yields)
        if self._weather.strikes(self._fails):
            self._fail(name)
        answer = action()
        if self._weather.strikes(self._fails):
            self._fail(name)
        return answer

    def pause(self, share: float) -> None:
        """Let others work, by chance."""
        if self._depth < _DEEPEST and self._weather.strikes(share):
            self._depth += 1
            try:
                self._meanwhile()
            finally:
                self._depth -= 1

    def _fail(self, name: str) -> None:
        self.failures += 1
        raise self._weather.one_of((Broken, Died))(name)

    def using(self, port: Any, *names: str) -> Any:
        """The port, each call of which is a moment to wait; without names, all of its calls."""
        return _Waiting(self, port, names)


class _Waiting:
    def __init__(self, worker: Worker, port: Any, names: Sequence[str]) -> None:
        self._worker, self._port, self._names = worker, port, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or (self._names and name not in self._names):
            return found

        def call(*args: Any, **how: Any) -> Any:
            return self._worker.call(name, partial(found, *args, **how))

        setattr(self, name, call)
        return call
