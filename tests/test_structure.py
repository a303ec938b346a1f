"""The structure of the code: rooms with true maps, one class of each name, and constructors that one can read."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "chalicelib"
FILES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(ROOT.rglob("*.py"))}
ROOMS = [path.parent for path in FILES if path.name == "__init__.py"]
MOST_ARGUMENTS = 6
RECORDS = {
    # Values with many fields, which are always made by name.
    "Attempt",
    "Call",
    "CircuitBreaker",
    "Command",
    "Company",
    "Draft",
    "Event",
    "Exchange",
    "InterfaceParts",
    "Module",
    "Operation",
    "OutboxEntry",
    "Partner",
    "Ports",
    "Pull",
    "QuarantineEntry",
    "SendingRules",
    "Settings",
    "StoredObject",
    "Verdict",
}

Argument = tuple[str, str, bool]
"""Name, type, and whether it is given by position."""


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path, tree in FILES.items():
        yield from ((path, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)


def arguments(node: ast.ClassDef) -> list[Argument]:
    """What a class is made of: the arguments of its __init__, or the fields of a dataclass."""
    for function in node.body:
        if isinstance(function, ast.FunctionDef) and function.name == "__init__":
            given = [(each.arg, _type(each), True) for each in function.args.args[1:]]
            return given + [(each.arg, _type(each), False) for each in function.args.kwonlyargs]
    if not is_dataclass(node):
        return []
    found, by_position = [], not any("kw_only=True" in ast.unparse(each) for each in node.decorator_list)
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            kind = ast.unparse(field.annotation)
            by_position &= kind != "KW_ONLY"
            if kind != "KW_ONLY" and not kind.startswith("ClassVar") and not _is_state(field):
                found.append((field.target.id, kind, by_position))
    return found


def _type(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation) if argument.annotation else ""


def _is_state(field: ast.AnnAssign) -> bool:
    return field.value is not None and "init=False" in ast.unparse(field.value)


def listed(room: Path) -> list[str]:
    """The names that the map of a room lists: those at the beginning of a line, before two spaces or more."""
    text = ast.get_docstring(FILES[room / "__init__.py"]) or ""
    lines = [line for line in text.splitlines()[1:] if line and not line.startswith(" ")]
    return [line.split("  ")[0] for line in lines if "  " in line and " " not in line.split("  ")[0]]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT.parent)))
def test_the_map_of_a_room_lists_what_is_there_and_nothing_else(room: Path) -> None:
    there = [path.stem for path in room.iterdir() if path.suffix == ".py" and path.stem != "__init__"]
    there += [path.name for path in room.iterdir() if (path / "__init__.py").is_file()]

    assert sorted(listed(room)) == sorted(there)


def test_no_two_classes_have_one_name() -> None:
    assert [name for name, count in Counter(node.name for _, node in classes()).items() if count > 1] == []


def test_no_constructor_takes_more_arguments_than_one_can_read() -> None:
    many = {node.name for _, node in classes() if len(arguments(node)) > MOST_ARGUMENTS}

    assert many == RECORDS


def test_values_with_many_fields_are_made_by_name() -> None:
    """And are dataclasses: whoever does something with so many parts is to be divided."""
    by_position = {
        node.name: [name for name, _, given_by_position in arguments(node) if given_by_position]
        for _, node in classes()
        if node.name in RECORDS
    }

    assert by_position == {name: [] for name in RECORDS}
    assert all(is_dataclass(node) for _, node in classes() if node.name in RECORDS)


def test_no_two_arguments_of_one_type_are_given_by_position() -> None:
    """Nobody notices when two of them change places."""
    doubtful = {}
    for _, node in classes():
        types = Counter(kind for _, kind, by_position in arguments(node) if by_position)
        if twice := [kind for kind, count in types.items() if count > 1]:
            doubtful[node.name] = twice

    assert doubtful == {}
