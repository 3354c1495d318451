"""The adaptor, the only part that learns: queries read noisy features and become a prefix.

A post-norm transformer decoder whose input is a set of learned queries, then an MLP into the embedding space
of the language model (the paper's projector).
"""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from maccap.config import AdaptorConfig

_AUTHOR_NAMES = {
    "query_fusion.weight": "queries",
    "aligner.": "decoder.",
    "align_proj.layers.0.": "projection.0.",
    "align_proj.layers.1.": "projection.2.",
    "align_proj.layers.2.": "projection.4.",
}


class Adaptor(nn.Module):
    """Q learned queries through a transformer decoder over N features, then a three-layer ReLU MLP."""

    def __init__(self, config: AdaptorConfig) -> None:
        super().__init__()
        if config.clip_dim % config.heads:
            raise ValueError(
                f"adaptor.clip_dim {config.clip_dim} must be a multiple of adaptor.heads {config.heads}"
            )
        self.config = config
        dim = config.clip_dim
        # the scale of an nn.Embedding, which the authors keep their queries in
        self.queries = nn.Parameter(torch.randn(config.queries, dim))
        layer = nn.TransformerDecoderLayer(
            dim, config.heads, config.feedforward, config.dropout, activation="relu", batch_first=True
        )
        self.decoder = nn.TransformerDecoder(layer, config.layers, norm=nn.LayerNorm(dim))
        self.projection = nn.Sequential(
            nn.Linear(dim, dim),
            nn.ReLU(),
            nn.Linear(dim, dim),
            nn.ReLU(),
            nn.Linear(dim, config.llm_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Prefix [R, Q, H] for noisy features [R, N, D]."""
        queries = self.queries.expand(len(features), -1, -1)
        scaled = features.to(self.queries.dtype) * self.config.input_scale
        return self.projection(self.decoder(queries, scaled))

    @classmethod
    def from_author_state_dict(cls, weights: Mapping[str, Tensor], config: AdaptorConfig) -> Self:
        """From a checkpoint of the authors' code: `query_fusion.*`, `aligner.*`, `align_proj.*`.

        Other keys (their checkpoints also hold the frozen towers) are left out; a prefix such as `module.` is
        ignored. Raises ValueError where adaptor weights are missing or have other sizes than `config`.
        """
        renamed = {}
        for key, value in weights.items():
            for theirs, ours in _AUTHOR_NAMES.items():
                start = key.find(theirs)
                if start == 0 or (start > 0 and key[start - 1] == "."):
                    renamed[ours + key[start + len(theirs) :]] = value.float()
                    break
        adaptor = cls(config)
        try:
            adaptor.load_state_dict(renamed)
        except RuntimeError as error:
            raise ValueError(f"these are not the authors' adaptor weights for {config!r}: {error}") from error
        return adaptor
