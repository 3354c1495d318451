"""Every setting with its type, default and meaning, from the pydantic models that check them."""

import json
import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.generate.tables import table
from maccap.config import BundleConfig, Config
from pipeline.run.config import CaptionJobConfig
from pipeline.stages.resources import Resources, StageResources
from pipeline.train.config import TrainJobConfig

FILES: tuple[tuple[str, str, type[Config]], ...] = (
    ("A run", "`--config FILE` of `maccap caption` and `maccap ask`.", CaptionJobConfig),
    ("Training", "`--config FILE` of `maccap train`.", TrainJobConfig),
    ("A bundle", "`config.json` of a bundle, as `maccap train` and `maccap import` write it.", BundleConfig),
)


def configuration() -> str:
    """A section for each file of settings, and one for each model that is a part of them, once."""
    parts, told = list[str](), set[type[BaseModel]]()
    for title, about, model in FILES:
        parts.append(f"## {title}\n\n{about}\n\n{_table(model)}")
        for key, section in _sections(model):
            if section not in told:
                told.add(section)
                parts.append(f"### `{key}`\n\n{_about(section)}{_table(section)}")
    return "\n".join(parts)


def _sections(model: type[BaseModel], within: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The models that a model's fields hold, by their keys, each followed by those that it holds itself."""
    for name, field in model.model_fields.items():
        for kind in _models(field.annotation):
            yield f"{within}{name}", kind
            yield from _sections(kind, f"{within}{name}.")
    if model is Resources:
        yield f"{within}STAGE", StageResources


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _about(model: type[BaseModel]) -> str:
    said = " ".join((model.__doc__ or "").split())
    return f"{said}\n\n" if said and model.__doc__ != BaseModel.__doc__ else ""


def _table(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _type(field), _default(field), _meaning(model, name))
        for name, field in model.model_fields.items()
    ]
    return table(["key", "type", "default", ""], rows)


def _meaning(model: type[BaseModel], name: str) -> str:
    """A field's description; of one that a subclass declares anew for its default, that of the base."""
    bases = [base for base in model.__mro__ if issubclass(base, BaseModel) and name in base.model_fields]
    said = (base.model_fields[name].description for base in bases)
    return " ".join(next(filter(None, said), "").split())


def _type(field: FieldInfo) -> str:
    words = _words(field.annotation)
    limits = ", ".join(
        f"{sign} {getattr(one, name):g}"
        for one in field.metadata
        for name, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
        if getattr(one, name, None) is not None
    )
    return f"{words}, {limits}" if limits else words


_PLAIN = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Any: "any"}


def _words(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in parts)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_words(part) for part in parts if part is not type(None)))
    if origin in (tuple, list):
        return f"list: {_words(parts[0])}"
    if origin is dict:
        return "section"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "section"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{value.value}`" for value in kind)
    return _PLAIN.get(kind, getattr(kind, "__name__", str(kind)))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel):
        return "see its section"
    return f"`{json.dumps(list(value) if isinstance(value, tuple | frozenset) else value)}`"
