"""The sizes of a language model that its arithmetic and memory traffic follow from."""

from typing import NamedTuple

from torch import nn
from transformers import PreTrainedModel


class BlockSizes(NamedTuple):
    """What counts of a stack of transformer blocks."""

    weights: int  # of all matrices in the blocks
    layers: int
    width: int  # of the queries, all heads together
    kv_width: int  # of the keys, narrower than the queries where heads share them


class LanguageModelSizes(NamedTuple):
    """Blocks, and the head: numbers in its matrix, bytes of each."""

    blocks: BlockSizes
    head: int
    itemsize: int


def sizes_of(model: PreTrainedModel) -> LanguageModelSizes:
    """Every matrix that is neither an embedding nor the head counts to the blocks."""
    head, weights = model.get_output_embeddings(), 0
    for part in model.modules():
        weight = getattr(part, "weight", None)
        if weight is None or part is head or isinstance(part, nn.Embedding):
            continue
        weights += weight.numel() if weight.dim() == 2 else 0
    config = model.config
    heads = config.num_attention_heads
    head_width = getattr(config, "head_dim", None) or config.hidden_size // heads
    shared = getattr(config, "num_key_value_heads", None) or heads
    blocks = BlockSizes(weights, config.num_hidden_layers, heads * head_width, shared * head_width)
    return LanguageModelSizes(blocks, head.weight.numel(), head.weight.element_size())
