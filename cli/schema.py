"""``schema``: the JSON Schema of OCPI's objects, made from the models that validate them."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, Final

import click
from pydantic.json_schema import models_json_schema

from chalicelib.modules.cdrs import objects as cdrs
from chalicelib.modules.credentials import objects as credentials
from chalicelib.modules.locations import objects as locations
from chalicelib.modules.sessions import objects as sessions
from chalicelib.modules.tariffs import objects as tariffs
from chalicelib.modules.tokens import objects as tokens
from chalicelib.ocpi import types
from chalicelib.ocpi.types import OcpiObject
from cli.options import Options, json_option, pass_options
from cli.output import Failure, show_json, show_table

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
# The spec has a list there, and no object around it.
_WRAPPERS: Final = (OcpiObject, credentials.VersionList)


def _objects_in(module: ModuleType) -> dict[str, type[OcpiObject]]:
    found = {name: each for name, each in vars(module).items() if inspect.isclass(each)}
    return {
        name: each
        for name, each in found.items()
        if issubclass(each, OcpiObject) and each.__module__ == module.__name__ and each not in _WRAPPERS
    }


OBJECTS: Final[dict[str, type[OcpiObject]]] = {
    name: model
    for module in (locations, sessions, cdrs, tariffs, tokens, credentials, types)
    for name, model in _objects_in(module).items()
}
"""Every object of the spec that we have a model of, by its name."""


def schema_of(model: type[OcpiObject]) -> dict[str, Any]:
    """The JSON Schema of one object and of those inside it, as in the strict profile."""
    return {"$schema": DIALECT, **model.model_json_schema()}


def schema_of_all() -> dict[str, Any]:
    """One JSON Schema whose ``$defs`` are all objects."""
    _, schema = models_json_schema([(model, "validation") for model in OBJECTS.values()])
    return {"$schema": DIALECT, **schema}


@click.command()
@click.argument("object_", metavar="[OBJECT]", required=False)
@click.option("--all", "every", is_flag=True, help="One JSON Schema of all objects, each under $defs.")
@json_option
@pass_options
def schema(options: Options, object_: str | None, *, every: bool) -> None:
    """Print the JSON Schema of an object, or list the objects.

    Example: python -m cli schema Session
    """
    if every:
        show_json(schema_of_all())
    elif object_:
        show_json(schema_of(_named(object_)))
    elif options.as_json:
        show_json({name: _summary(model) for name, model in OBJECTS.items()})
    else:
        show_table(("object", "what it is"), ((name, _summary(model)) for name, model in OBJECTS.items()))


def _named(wanted: str) -> type[OcpiObject]:
    """The object of this name, in any letter case: the spec writes EVSE and CDR.

    Raises:
        Failure: there is none.
    """
    for name, model in OBJECTS.items():
        if name.lower() == wanted.lower():
            return model
    raise Failure(f"There is no object {wanted!r}", "See which there are: python -m cli schema")


def _summary(model: type[OcpiObject]) -> str:
    return inspect.cleandoc(model.__doc__ or "").splitlines()[0]
