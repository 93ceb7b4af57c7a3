"""The vendor's own event types as the judge of what we send and understand (the `openai` package).

Its models allow members they do not know; `strictly` does not. `samples` goes the other way: it fills every
member of a model, in all its variants, so that nothing the schema holds is forgotten.
"""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from pydantic import BaseModel, TypeAdapter

_SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
_SESSION = TypeAdapter(RealtimeSessionCreateResponse)

READ_ONLY = {"id", "object", "expires_at"}
"""Members of a session that its echo has and the schema of the two session events leaves out."""


def check_server_event(frame: str) -> None:
    """Raise if a frame is no server event of the schema, or holds anything the schema does not."""
    raw = json.loads(frame)
    if raw["type"] in ("session.created", "session.updated"):
        strictly(_SESSION, raw["session"])
        raw["session"] = {name: value for name, value in raw["session"].items() if name not in READ_ONLY}
    strictly(_SERVER, raw)


def check_client_event(frame: str) -> None:
    """Raise if a frame is no client event of the schema, or holds anything the schema does not.

    The model of `response.create` leaves references out, which its parameters have
    (`RealtimeResponseCreateParamsWithReferencesParam`): a type and an id, nothing else.
    """
    raw = json.loads(frame)
    if raw["type"] == "response.create" and "input" in raw.get("response", {}):
        seen = raw["response"]["input"]
        references = [item for item in seen if item.get("type") == "item_reference"]
        assert all(set(item) == {"type", "id"} and isinstance(item["id"], str) for item in references), references
        raw["response"]["input"] = [item for item in seen if item not in references]
    strictly(_client_model(raw["type"]), raw)


@cache
def _client_model(kind: str) -> TypeAdapter[Any]:
    """Return the model of a client event; against the whole union a mistake would be told forty times."""
    models = [model for model in client_models() if kind in get_args(model.model_fields["type"].annotation)]
    assert models, f"the schema has no client event {kind!r}"
    return TypeAdapter(models[0])


def strictly(adapter: TypeAdapter[Any], raw: Any) -> None:
    """Validate without converting, and refuse members the models do not declare."""
    value = adapter.validate_json(json.dumps(raw), strict=True)
    extra = list(_extras(value, ""))
    assert not extra, f"{raw.get('type')}: the schema does not hold {', '.join(extra)}"


def _extras(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}".lstrip(".") for name in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _extras(element, f"{path}[{index}]")
    elif isinstance(value, dict):
        for name, element in value.items():
            yield from _extras(element, f"{path}.{name}")


def server_models() -> list[type[BaseModel]]:
    """Return the model of every server event."""
    return _models(RealtimeServerEvent)


def client_models() -> list[type[BaseModel]]:
    """Return the model of every client event."""
    return _models(RealtimeClientEvent)


def _models(union: Any) -> list[type[BaseModel]]:
    while get_origin(union) is Annotated:
        union = get_args(union)[0]
    return [each for each in get_args(union) if issubclass(each, BaseModel)]


def samples(kind: Any, depth: int = 0) -> list[Any]:
    """Return values of a type as JSON has them: every variant of every member at least once."""
    origin = get_origin(kind)
    if origin is Annotated:
        return samples(get_args(kind)[0], depth)
    if origin in (Union, types.UnionType):
        return [value for each in get_args(kind) if each is not type(None) for value in samples(each, depth)]
    if origin is Literal:
        return list(get_args(kind))
    if origin is list:
        return [samples(get_args(kind)[0], depth)]
    if origin is dict:
        return [{"k": samples(get_args(kind)[1], depth)[0]}]
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return _model_samples(kind, depth)
    simple: dict[Any, Any] = {str: "word", int: 7, float: 0.5, bool: True, object: {"any": 1}, Any: {"any": 1}}
    return [simple[kind]]


def _model_samples(model: type[BaseModel], depth: int) -> list[dict[str, Any]]:
    """Return one sample with every member filled, and one more for every other variant of a member."""
    assert depth < 12
    variants = {
        field.alias or name: samples(field.annotation, depth + 1) for name, field in model.model_fields.items()
    }
    full = {name: values[0] for name, values in variants.items()}
    others = [{**full, name: value} for name, values in variants.items() for value in values[1:]]
    return [full, *others]
