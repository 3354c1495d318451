"""What a decoding engine is: prefixes in, texts out. Everything that turns a prefix into tokens is behind
it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.language_model import FrozenLanguageModel


class DrawKey(NamedTuple):
    """Which draw of which image a prefix is of: what its random numbers are keyed by."""

    seed: int
    image_id: str
    draw: int


class Decoded(NamedTuple):
    """One decoded text.

    `logprob` is the sum of the natural-log probabilities of its tokens, the end token included where it was
    reached, under the model's own distribution (before temperature, top-k and top-p).
    """

    token_ids: list[int]  # without the end token
    logprob: float


class DecodingEngine(Protocol):
    """A frozen language model that goes on from prefixes.

    The reference is `maccap.text.huggingface_engine`: a prefix's texts depend on nothing but itself and its
    key. Another engine may trade that away for speed; `maccap.text.engines` says which, and a run records it.
    """

    @classmethod
    def load(cls, name: str, device: "str | torch.device", dtype: torch.dtype) -> Self:
        """With the language model `name`, as Hugging Face names it or a local folder."""

    @property
    def embedding_dim(self) -> int:
        """H, the width of a prefix."""

    @property
    def fixed_rows(self) -> bool:
        """Whether every call must have as many prefixes as `draws_at_once` says
        (`maccap.runtime.fixed_rows`).
        """

    def draws_at_once(self, decoding: DecodingConfig, tokens: int, batch_rows: int | None = None) -> int:
        """How many prefixes to give `generate` together, at least 1: rows of `tokens` each, prefix, prompt
        and new ones; `batch_rows` is the most that a person allows, beams and samples counted.
        """

    def prompt_ids(self, prompt: str | None = None) -> list[int]:
        """The tokens that follow a prefix: BOS, then those of `prompt`."""

    def generate(
        self,
        prefixes: Tensor,
        prompt_ids: Sequence[int],
        decoding: DecodingConfig,
        keys: Sequence[DrawKey],
    ) -> list[list[Decoded]]:
        """`decoding.samples_per_draw` texts for each of the prefixes [B, Q, H], which have one of `keys`
        each.

        Raises MemoryError, or torch's own error, where they do not fit into memory together.
        """

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as text, without special tokens."""

    def language_model(self) -> FrozenLanguageModel:
        """The model itself, to save it, to train through it, or to measure it. Raises ValueError where the
        engine has none at hand.
        """
