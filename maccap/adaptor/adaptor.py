"""The adaptor, the only part that learns: queries read noisy features and become a prefix.

A post-norm transformer decoder whose input is a set of learned queries, then an MLP into the embedding space
of the language model (the paper's projector).
"""

import torch
from torch import Tensor, nn

from maccap.config import AdaptorConfig


class Adaptor(nn.Module):
    """Q learned queries through a transformer decoder over N features, then a three-layer ReLU MLP.

    Raises ValueError where `clip_dim` is no multiple of `heads`.
    """

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
