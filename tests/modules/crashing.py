"""Ports that fail at a chosen call, before or after it has taken effect, and queues that repeat themselves as SQS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chalicelib.node.commands import CommandResult, Posting
from tests.node.faults import Broken


class Died(BaseException):
    """The process is gone: nothing of what it would have done next is done."""


@dataclass
class Fuse:
    """Fails at call number ``at`` of all calls that go through it, once."""

    at: int
    after: bool = False
    error: type[BaseException] = Broken
    calls: list[str] = field(default_factory=list)
    """What was called, by name."""
    blown: str | None = None
    """The call that failed."""

    def around(self, port: Any, *names: str) -> Any:
        """The port, whose calls ``names`` go through the fuse."""
        return _Guarded(self, port, names)

    def call(self, name: str, action: Callable[[], Any]) -> Any:
        self.calls.append(name)
        blows = len(self.calls) == self.at and self.blown is None
        if blows:
            self.blown = name
        if blows and not self.after:
            raise self.error(name)
        answer = action()
        if blows:
            raise self.error(name)
        return answer


class _Guarded:
    def __init__(self, fuse: Fuse, port: Any, names: tuple[str, ...]) -> None:
        self._fuse, self._port, self._names = fuse, port, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in self._names:
            return found

        def call(*args: Any, **how: Any) -> Any:
            begins = name == "save" and getattr(args[0], "posting", None) is Posting.STARTED
            return self._fuse.call("save STARTED" if begins else name, partial(found, *args, **how))

        return call


class Repeating:
    """The queues as SQS has them: a message stays until its worker succeeds, and comes once more even then.

    ``answers`` is first in, first out, and drops what it has been sent before.
    """

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.results: list[tuple[CommandResult, int]] = []
        self.answers: list[str] = []
        self._known: set[str] = set()

    def enqueue_command(self, message: Mapping[str, Any]) -> None:
        self.asked.append(message)

    def enqueue_result(self, result: CommandResult, *, delay_s: int = 0) -> None:
        self.results.append((result, delay_s))

    def enqueue_answer(self, command_id: str, lane: str) -> None:
        if command_id not in self._known:
            self._known.add(command_id)
            self.answers.append(command_id)

    def work(self, take: Callable[[CommandResult], object], post: Callable[[str], object], *, timers: bool) -> None:
        """Let the workers do what is to be done; each message goes through a second time."""
        due = [each for each in self.results if timers or not each[1]]
        self.results = [each for each in self.results if each not in due]
        for result, _ in due:
            _tried(partial(take, result))
        while self.answers:
            _tried(partial(post, self.answers.pop(0)))


def _tried(work: Callable[[], object], times: int = 5) -> None:
    done = 0
    for _ in range(times):
        try:
            work()
            done += 1
        except (Broken, Died):
            continue
        if done == 2:
            return
