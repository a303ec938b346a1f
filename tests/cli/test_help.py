"""Every command says what it does, how its options are meant, and gives an example that parses."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack

import click
import pytest

from cli.main import cli
from cli.stages import PROJECT


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from tree(child, (*path, name))


every_command = pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*found, id=" ".join(found[0]) or "cli") for found in tree(cli)]
)


def example(command: click.Command) -> list[str]:
    found = re.search(r"^ *Example: python -m cli (.*)$", command.help or "", re.MULTILINE)
    assert found, "the help has no example"
    return shlex.split(found[1].partition(" > ")[0])


@every_command
def test_every_command_says_what_it_does(path: tuple[str, ...], command: click.Command) -> None:
    assert command.get_short_help_str(200).endswith(".")


@every_command
def test_every_option_is_explained(path: tuple[str, ...], command: click.Command) -> None:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]

    assert [option.name for option in options if not option.help] == []


@every_command
def test_every_command_gives_an_example_that_parses(
    path: tuple[str, ...], command: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)

    parsed = parse(example(command))

    assert parsed[: len(path)] == list(path)


def parse(words: list[str]) -> list[str]:
    """The subcommands that click makes of a line, without running them."""
    current: click.Command = cli
    found: list[str] = []
    with ExitStack() as contexts:
        context: click.Context | None = None
        while True:
            context = contexts.enter_context(current.make_context(current.name, words, parent=context))
            words = [*context._protected_args, *context.args]
            if not isinstance(current, click.Group) or not words:
                return found
            name = words.pop(0)
            found.append(name)
            current = current.commands[name]
