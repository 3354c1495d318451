"""Models of real sizes with random weights: a benchmark needs their shapes, not what they know."""

from collections.abc import Iterable
from typing import Any

import open_clip
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.clip import FrozenClip
from maccap.language_model import FrozenLanguageModel
from maccap.pixels import PixelSpec

OPT_SIZES: dict[str, dict[str, Any]] = {
    "opt-125m": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072},
    "opt-1.3b": {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "ffn_dim": 8192},
}
_VOCABULARY = 50272


def random_clip(name: str, seed: int = 0) -> FrozenClip:
    """open_clip's model `name` (for instance `ViT-B-32`) with random weights and its own tokenizer."""
    torch.manual_seed(seed)
    model = open_clip.create_model(name)
    pixels = PixelSpec.from_open_clip(model.visual.image_size, model.visual.preprocess_cfg)
    return FrozenClip(model, open_clip.get_tokenizer(name), open_clip.get_model_config(name), pixels)


def random_opt(name: str, texts: Iterable[str], seed: int = 0) -> FrozenLanguageModel:
    """An OPT of the size `name`; its tokenizer is learnt from `texts`, and its vocabulary as large as OPT's.

    Raises ValueError for a size that is not in OPT_SIZES.
    """
    if name not in OPT_SIZES:
        raise ValueError(f"unknown size {name}; there are {', '.join(OPT_SIZES)}")
    torch.manual_seed(seed)
    sizes = OPT_SIZES[name]
    model = OPTForCausalLM(
        OPTConfig(vocab_size=_VOCABULARY, word_embed_proj_dim=sizes["hidden_size"], **sizes)
    )
    return FrozenLanguageModel(model, _tokenizer(texts))


def _tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=["<s>", "<pad>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="<pad>"
    )
