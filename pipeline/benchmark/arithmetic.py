"""How much arithmetic and memory traffic the method needs, counted from the models' sizes.

A matrix product of [tokens, in] with weights [in, out] takes 2 * tokens * in * out operations. So a
transformer takes 2 operations per token for each weight of its blocks, and its attention, which has no
weights, 4 * context * width a token and layer: queries with keys, weights with values. What is left out
(norms, activations, softmax, embeddings, sampling) is below one per cent.
"""

from typing import Any

from maccap.adaptor.adaptor import Adaptor
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.model_sizes import BlockSizes

_EMBEDDED_PROMPT = 1  # BOS, all that follows the prefix of a caption


def block_flops(blocks: BlockSizes, tokens: float, context: float) -> float:
    """Of `tokens` new ones, each attending to `context` on average."""
    return tokens * (2 * blocks.weights + 4 * context * blocks.width * blocks.layers)


def image_flops(clip: FrozenClip) -> float:
    """CLIP's image tower on one image: patches, blocks, and all tokens projected."""
    visual = clip.model.visual
    tokens = visual.positional_embedding.shape[0]
    weights = visual.conv1.weight.numel() + visual.proj.numel()
    return block_flops(_clip_blocks(visual.transformer), tokens, tokens) + 2 * tokens * weights


def text_flops(clip: FrozenClip, tokens: float) -> float:
    """CLIP's text tower on one text of `tokens`, the start and end tokens included."""
    model = clip.model
    text = model if hasattr(model, "transformer") else model.text
    return block_flops(_clip_blocks(text.transformer), tokens, (tokens + 1) / 2)


class CandidateArithmetic:
    """Operations of adaptor and language model for one candidate."""

    def __init__(self, adaptor: Adaptor, lm: FrozenLanguageModel) -> None:
        self.adaptor, self.lm = adaptor, lm
        self._lm, self.head, self._itemsize = lm.sizes()
        self.prefill_tokens = adaptor.config.queries + _EMBEDDED_PROMPT

    def prefix(self, regions: int) -> float:
        """The adaptor on the features of one candidate."""
        config = self.adaptor.config
        dim, queries = config.clip_dim, config.queries
        own, features = 4 * dim**2, 2 * dim**2  # q, k, v, out over queries; k, v over features
        crossed = 2 * dim**2 + 2 * dim * config.feedforward
        attention = 4 * queries * (queries + regions) * dim
        layer = 2 * (queries * (own + crossed) + regions * features) + attention
        projection = 2 * queries * (2 * dim**2 + dim * config.llm_dim)
        return config.layers * layer + projection

    def prefill(self) -> float:
        """The language model on one prefix and prompt, with logits of the last position."""
        tokens = self.prefill_tokens
        return block_flops(self._lm, tokens, (tokens + 1) / 2) + 2 * self.head

    def steps(self, count: int) -> float:
        """`count` tokens of one candidate after its prefill."""
        context = self.prefill_tokens + (count + 1) / 2
        return block_flops(self._lm, count, context) + 2 * self.head * count

    def candidates(self, count: int, samples_per_draw: int, tokens: int, regions: int) -> float:
        """All sampled candidates of one image, prefix to last token; the first token comes of the prefill."""
        draws = count // samples_per_draw
        return draws * (self.prefix(regions) + self.prefill()) + count * self.steps(tokens - 1)

    def step_bytes(self, rows: int, count: int) -> float:
        """Read in one step of `rows` candidates, on average over `count` steps: all weights, and each row's
        keys and values.
        """
        context = self.prefill_tokens + (count + 1) / 2
        cache = rows * context * 2 * self._lm.kv_width * self._lm.layers
        return (self._lm.weights + self.head + cache) * self._itemsize


def _clip_blocks(transformer: Any) -> BlockSizes:
    blocks = transformer.resblocks
    # of the state dict, as packed layers have no parameters
    weights = sum(weight.numel() for weight in blocks.state_dict().values() if weight.dim() == 2)
    width = blocks[0].attn.out_proj.in_features
    return BlockSizes(weights, len(blocks), width, width)
