"""The caption table of the stages that there are, and the facts of a run."""

from typing import Any

from maccap.config import DecodingConfig
from pipeline.run.facts import RunFacts
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import table_schema

CAPTION_SCHEMA = table_schema(stages_of(("caption",)))


def run_facts(**changes: Any) -> RunFacts:
    """Of a run that nobody made."""
    facts = {
        "source": "/data/tars",
        "keys": "auto",
        "model": "/models/scenes",
        "model_fingerprint": "f" * 64,
        "decoding": DecodingConfig(),
        "seed": 0,
        "chunk_rows": 4,
        "chunk_bytes": 1000,
        "max_pixels": 1000,
        "max_bytes": 1000,
        "accept_truncated": False,
        "precision": "float32",
        "version": "1",
    }
    return RunFacts(**{**facts, **changes})
