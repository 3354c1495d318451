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

_QUERIES = "query_fusion.weight"
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
    return Adaptor.from_author_state_dict(weights, _sizes(weights, path))


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
    layers = {key.split("aligner.layers.")[1].split(".")[0] for key in weights if "aligner.layers." in key}
    return AdaptorConfig(
        clip_dim=clip_dim,
        llm_dim=shape("align_proj.layers.2.weight")[0],
        queries=queries,
        layers=len(layers),
        heads=_AUTHOR_HEADS,
        feedforward=shape("aligner.layers.0.linear1.weight")[0],
    )
