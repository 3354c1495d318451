"""What a decoding engine is: prefixes in, texts out. Everything that turns a prefix into tokens is behind
it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.language_model import FrozenLanguageModel

if TYPE_CHECKING:
    from maccap.text.prompted import ReadPrefixes


class DrawKey(NamedTuple):
    """Which draw of which image a prefix is of: what its random numbers are keyed by."""

    seed: int
    image_id: str
    draw: int


PromptIds = Sequence[int] | Sequence[Sequence[int]]
"""The tokens that follow a prefix: one prompt for all prefixes, or one for each, all equally long."""


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

    def prefixes_held(self, length: int) -> int:
        """How many prefixes of `length` tokens, read, may wait for their prompts together; at least 1."""

    def read(self, prefixes: Tensor) -> "Tensor | ReadPrefixes":
        """Prefixes [B, Q, H] that several prompts follow, read once for all of them where that can be;
        `generate` and `logprobs` take any rows of what it gives.
        """

    def generate(
        self,
        prefixes: "Tensor | ReadPrefixes",
        prompt_ids: PromptIds,
        decoding: DecodingConfig,
        keys: Sequence[DrawKey],
    ) -> list[list[Decoded]]:
        """`decoding.samples_per_draw` texts for each of the prefixes [B, Q, H], which have one of `keys`
        each.

        Raises MemoryError, or torch's own error, where they do not fit into memory together.
        """

    def logprobs(
        self, prefixes: "Tensor | ReadPrefixes", prompt_ids: PromptIds, texts: Sequence[Sequence[int]]
    ) -> list[list[float]]:
        """For each of the prefixes [B, Q, H] the log-probability that each of `texts` follows it and its
        prompt, and then the end token.

        Raises MemoryError, or torch's own error, where they do not fit into memory together.
        """

    @property
    def most_tokens(self) -> int | None:
        """How many tokens the model reads, prefix, prompt and new ones together; None for no fixed number."""

    def text(self, ids: Sequence[int], first_line: bool = False) -> str:
        """Tokens as text on one line, without special tokens; of `first_line`, the first that says something
        alone.
        """

    def language_model(self) -> FrozenLanguageModel:
        """The model itself, to save it, to train through it, or to measure it. Raises ValueError where the
        engine has none at hand.
        """
