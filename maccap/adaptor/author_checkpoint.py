"""Import of the authors' checkpoints (`checkpoint_last.pth`), without running any code that one may carry."""

import argparse
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.config import AdaptorConfig

_QUERIES, _DECODER, _PROJECTION = "query_fusion.weight", "aligner.", "align_proj.layers."
_OUR_NAMES = {
    _QUERIES: "queries",
    _DECODER: "decoder.",
    f"{_PROJECTION}0.": "projection.0.",
    f"{_PROJECTION}1.": "projection.2.",
    f"{_PROJECTION}2.": "projection.4.",
}
_AUTHOR_HEADS = 8  # weights do not tell


def load_author_adaptor(path: str | Path) -> Adaptor:
    """The adaptor in a checkpoint of the authors' training, its sizes read off its weights.

    Tensors, plain containers and an argparse.Namespace are all that is loaded. Raises ValueError for a file
    that holds anything else, is no checkpoint, or has no adaptor in it.
    """
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            document = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"{path} holds more than weights, or is damaged, and was not loaded ({reason})"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a PyTorch checkpoint ({error})") from None
    weights = _state_dict(document)
    if weights is None:
        raise ValueError(
            f"{path} holds no adaptor of the authors' code (no tensor named {_QUERIES}); "
            "give a checkpoint_last.pth of its training"
        )
    return author_adaptor(weights, _sizes(weights, path))


def author_adaptor(weights: Mapping[str, Tensor], config: AdaptorConfig) -> Adaptor:
    """From the tensors of a checkpoint of the authors' code.

    Other keys (their checkpoints also hold the frozen towers) are left out; a prefix such as `module.` is
    ignored. Raises ValueError where adaptor weights are missing or have other sizes than `config`.
    """
    renamed = {}
    for key, value in weights.items():
        for theirs, ours in _OUR_NAMES.items():
            start = key.find(theirs)
            if start == 0 or (start > 0 and key[start - 1] == "."):
                renamed[ours + key[start + len(theirs) :]] = value.float()
                break
    adaptor = Adaptor(config)
    try:
        adaptor.load_state_dict(renamed)
    except RuntimeError as error:
        raise ValueError(f"these are not the authors' adaptor weights for {config!r}: {error}") from error
    return adaptor


def _state_dict(document: Any) -> Mapping[str, Tensor] | None:
    """The mapping that has the adaptor's tensors: the document, or one inside it (`model`, `state_dict`)."""
    if not isinstance(document, Mapping):
        return None
    tensors = {key: value for key, value in document.items() if isinstance(value, Tensor)}
    if any(str(key).endswith(_QUERIES) for key in tensors):
        return tensors
    inside = (_state_dict(value) for value in document.values())
    return next((found for found in inside if found is not None), None)


def _sizes(weights: Mapping[str, Tensor], path: str | Path) -> AdaptorConfig:
    prefix = next(key for key in weights if key.endswith(_QUERIES)).removesuffix(_QUERIES)

    def shape(name: str) -> torch.Size:
        if prefix + name not in weights:
            raise ValueError(f"{path} is an incomplete checkpoint: it lacks {prefix + name}")
        return weights[prefix + name].shape

    queries, clip_dim = shape(_QUERIES)
    blocks = f"{_DECODER}layers."
    layers = {key.split(blocks)[1].split(".")[0] for key in weights if blocks in key}
    return AdaptorConfig(
        clip_dim=clip_dim,
        llm_dim=shape(f"{_PROJECTION}2.weight")[0],
        queries=queries,
        layers=len(layers),
        heads=_AUTHOR_HEADS,
        feedforward=shape(f"{blocks}0.linear1.weight")[0],
    )
