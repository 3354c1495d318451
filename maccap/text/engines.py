"""The decoding engines there are, by name. A new one is a class in a file of its own, and a line here.

Importing this imports no torch: an engine's module is imported when it is loaded.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from maccap.text.engine import DecodingEngine

DEFAULT_ENGINE = "transformers"


@dataclass(frozen=True)
class EngineEntry:
    """Where an engine's class is, and its promise: whether a row's texts depend on nothing but itself."""

    module: str
    name: str
    independent_of_batching: bool


ENGINES = {
    DEFAULT_ENGINE: EngineEntry("maccap.text.huggingface_engine", "HuggingFaceEngine", True),
}


def find_engine(name: str) -> EngineEntry:
    """Raises ValueError for a name that no engine has."""
    if name not in ENGINES:
        raise ValueError(f"there is no decoding engine {name!r}; choose one of {', '.join(ENGINES)}")
    return ENGINES[name]


def load_engine(name: str, llm: str, device: Any, dtype: Any) -> "DecodingEngine":
    """The engine with its language model `llm`, as Hugging Face names it or a folder."""
    entry = find_engine(name)
    engine = getattr(importlib.import_module(entry.module), entry.name)
    return cast("DecodingEngine", engine.load(llm, device, dtype))
