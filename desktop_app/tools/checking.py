"""Checks arguments against a tool's JSON schema, and says what is wrong so that a model can mend it.

The schemas of MCP servers come from outside. References to other documents are not fetched, and `pattern` is not
applied: it is written for another language's expressions, and one that never ends would take us with it. The server
checks what we do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

MAX_PROBLEMS = 3
MAX_PROBLEM_LENGTH = 240


def problems(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return what is wrong with the arguments, as sentences; empty if nothing is.

    Takes 0.1 s the first time, when the library is imported.
    """
    from referencing.exceptions import Unresolvable

    try:
        found = list(islice(_validator(schema).iter_errors(arguments), MAX_PROBLEMS))
    except RecursionError:
        return "The arguments are nested too deeply."
    except Unresolvable:
        return ""  # whoever wrote that schema has to check by it
    return " ".join(_sentence(error) for error in found)


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Return why the schema cannot be one of a tool's parameters; empty if it can."""
    from jsonschema import SchemaError

    if schema.get("type") != "object":
        return "its parameters are not an object"
    try:
        _validator_class().check_schema(dict(schema))
    except SchemaError as error:
        return f"its parameters are no JSON schema: {error.message[:MAX_PROBLEM_LENGTH]}"
    except RecursionError:
        return "its parameters are nested too deeply"
    return ""


def _validator(schema: Mapping[str, Any]) -> Validator:
    from referencing import Registry

    return _validator_class()(dict(schema), registry=Registry())


@cache
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    return extend(Draft202012Validator, {"pattern": _accept, "patternProperties": _accept})


def _accept(*_: object) -> None:
    """Stand in for a keyword that is not applied."""


def _sentence(error: ValidationError) -> str:
    place = ".".join(str(step) for step in error.absolute_path)
    message = error.message
    if len(message) > MAX_PROBLEM_LENGTH:
        message = message[:MAX_PROBLEM_LENGTH] + "…"
    return f"{place}: {message}." if place else f"{message}."
