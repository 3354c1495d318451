"""Scores of an image by heads that a user brings: linear layers over CLIP's feature of it, as aesthetic
predictors are.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.stage import ScoreHeadFile, Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.files import locate, read_file
from pipeline.storage.redact import describe, redacted

_SCORES = pa.map_(pa.string(), pa.float32())
_HIDDEN = {"": lambda x: x, "relu": lambda x: np.maximum(x, 0)}
_OUTPUT = {"": lambda x: x, "sigmoid": lambda x: (1 + np.tanh(x / 2)) / 2}

Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights [out, in] and bias [out]."""


class ScoreHeadStage(Stage):
    """A score of each of `heads`, by its name."""

    name = "score_heads"
    title = "score heads"
    setting = "score_heads"
    needs = ("global",)
    adds = (Column("scores", _SCORES, "what each score head says of the image, by the head's name"),)
    keeps = ("scores",)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls({name: _unchanged(file) for name, file in settings.score_heads.items()})

    def __init__(self, heads: Mapping[str, "ScoreHead"]) -> None:
        self.heads = heads

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        features = read_half(samples["global"], rows)
        by_head = [head(features).tolist() for head in self.heads.values()]
        scores = [list(zip(self.heads, of_row, strict=True)) for of_row in zip(*by_head, strict=True)]
        return samples.append_column("scores", pa.array(spread(scores, rows, samples.num_rows), _SCORES))


@dataclass(frozen=True)
class ScoreHead:
    """Linear layers, the activation between them, and that of the output."""

    layers: list[Layer]
    hidden_activation: str
    activation: str
    fingerprint: str

    @property
    def width(self) -> int:
        return self.layers[0][0].shape[1]

    def __call__(self, features: NDArray[np.float16]) -> NDArray[np.float32]:
        """Scores [rows] of CLIP's features [rows, D], of unit length. Computed in double precision, so that
        the number of rows changes none.
        """
        values = features.astype(np.float64)
        for place, (weight, bias) in enumerate(self.layers):
            if place:
                values = _HIDDEN[self.hidden_activation](values)
            values = values @ weight.T.astype(np.float64) + bias
        scores: NDArray[np.float64] = _OUTPUT[self.activation](values[:, 0])
        return scores.astype(np.float32)


def read_score_head(url: str) -> ScoreHead:
    """The head in a safetensors file: tensors NAME.weight and NAME.bias for each linear layer, in the order
    of the numbers in their names. Its metadata may say `hidden_activation`: `relu`, and `activation`:
    `sigmoid`; without them there is none.

    LAION's predictors are such, saved as safetensors: `weight` and `bias` of sa_0_4_vit_l_14_linear, and
    `layers.0.weight` to `layers.7.bias` of sac+logos+ava1-l14-linearMSE. Raises UserError.
    """
    where = f"score head {redacted(url)}"
    try:
        data = read_file(*locate(url))
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (OSError, ImportError) as error:
        raise UserError(f"{where} cannot be read: {describe(error)}") from None
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where} is no safetensors file of float32 or float16 tensors ({describe(error)}). "
            "Of a PyTorch state_dict, make one with safetensors.torch.save_file."
        ) from None
    metadata = header.get("__metadata__", {})
    hidden, output = (metadata.get(name, "") for name in ("hidden_activation", "activation"))
    for name, value, known in (("hidden_activation", hidden, _HIDDEN), ("activation", output, _OUTPUT)):
        if value not in known:
            raise UserError(f"{where}: its metadata has {name} {value!r}, known are {', '.join(known)[2:]}")
    return ScoreHead(_layers(where, tensors), hidden, output, sha256(data).hexdigest())


def fingerprints_of(heads: Mapping[str, str], width: int) -> dict[str, str]:
    """The SHA-256 of each head's file, by its name. Raises UserError for one that is none, or does not fit to
    a CLIP whose features are `width` wide.
    """
    found = {}
    for name, url in heads.items():
        head = read_score_head(url)
        if head.width != width:
            raise UserError(
                f"score head {redacted(url)} is for features {head.width} wide, and those of this model's "
                f"CLIP are {width}. Give a head that was trained on the same CLIP."
            )
        found[name] = head.fingerprint
    return found


def _unchanged(file: ScoreHeadFile) -> ScoreHead:
    head = read_score_head(file.url)
    if head.fingerprint != file.sha256:
        raise RunError(f"score head {redacted(file.url)} is not the file any more that the run began with")
    return head


def _layers(where: str, tensors: dict[str, NDArray[Any]]) -> list[Layer]:
    weights = sorted((name for name in tensors if re.fullmatch(r"(.*\.)?weight", name)), key=_in_order)
    known = {*weights, *(name.removesuffix("weight") + "bias" for name in weights)}
    if not weights or (foreign := sorted(tensors.keys() - known)):
        what = f"tensor {foreign[0]!r} is no" if weights else "it has no"
        raise UserError(f"{where}: {what} weight or bias of a linear layer")
    numbers = {name: _as_float32(where, name, tensor) for name, tensor in tensors.items()}
    layers: list[Layer] = []
    for name in weights:
        weight = numbers[name]
        bias = numbers.get(name.removesuffix("weight") + "bias", np.zeros(weight.shape[:1], np.float32))
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise UserError(f"{where}: {name} is {weight.shape} and its bias {bias.shape}, no linear layer")
        if layers and weight.shape[1] != len(layers[-1][1]):
            raise UserError(f"{where}: {name} takes {weight.shape[1]} numbers and gets {len(layers[-1][1])}")
        if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
            raise UserError(f"{where}: {name} or its bias holds what is no finite number")
        layers.append((weight, bias))
    if len(layers[-1][1]) != 1:
        raise UserError(f"{where} gives {len(layers[-1][1])} numbers for an image, and a score is one")
    return layers


def _as_float32(where: str, name: str, tensor: NDArray[Any]) -> NDArray[np.float32]:
    if tensor.dtype.kind != "f":
        raise UserError(f"{where}: {name} is of {tensor.dtype}, and a head's numbers are floating-point")
    with np.errstate(over="ignore"):  # what is infinite then is refused
        return tensor.astype(np.float32)


def _in_order(name: str) -> tuple[list[int], str]:
    return [int(number) for number in re.findall(r"\d+", name)], name
