"""A bundle with random weights and the real classes, a few MB: what the pipeline's tests caption with."""

from pathlib import Path

import torch
from open_clip import CLIP, get_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.adaptor import Adaptor
from maccap.bundle import write_bundle
from maccap.clip import FrozenClip
from maccap.config import (
    AdaptorConfig,
    BundleConfig,
    ClipSource,
    DecodingConfig,
    LanguageModelSource,
    RegionConfig,
)
from maccap.language_model import FrozenLanguageModel
from maccap.pixels import PixelSpec

IMAGE_SIZE = 32
CLIP_DIM = 16
LLM_DIM = 32
WORDS = [
    "a",
    "the",
    "red",
    "blue",
    "small",
    "dog",
    "cat",
    "car",
    "tree",
    "house",
    "on",
    "under",
    "near",
    "and",
]

_CLIP_CONFIG = {
    "embed_dim": CLIP_DIM,
    "vision_cfg": {"image_size": IMAGE_SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def write_tiny_bundle(folder: Path, seed: int = 0) -> Path:
    """Write the bundle; another `seed` makes another model."""
    torch.manual_seed(seed)
    clip = FrozenClip(CLIP(**_CLIP_CONFIG), get_tokenizer("ViT-B-32"), _CLIP_CONFIG, PixelSpec(IMAGE_SIZE))
    lm = FrozenLanguageModel(_language_model(), _tokenizer())
    adaptor_config = AdaptorConfig(
        clip_dim=CLIP_DIM, llm_dim=LLM_DIM, queries=4, layers=1, heads=2, feedforward=32
    )
    config = BundleConfig(
        clip=ClipSource(name="clip"),
        llm=LanguageModelSource(name="llm"),
        adaptor=adaptor_config,
        regions=RegionConfig(count=4),
        decoding=DecodingConfig(candidates=3, max_new_tokens=6),
    )
    write_bundle(folder, config, clip, lm, Adaptor(adaptor_config))
    return folder


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def _language_model() -> OPTForCausalLM:
    return OPTForCausalLM(
        OPTConfig(
            vocab_size=3 + len(WORDS),
            hidden_size=LLM_DIM,
            word_embed_proj_dim=LLM_DIM,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=64,
            bos_token_id=1,
            eos_token_id=1,
            pad_token_id=0,
        )
    )
