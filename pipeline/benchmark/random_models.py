"""Models of real sizes with random weights: a benchmark needs their shapes, not what they know.

A random language model says the end token by chance, and how often would decide what is measured. Here it
never does (see `_never_say`), so every text has all the tokens that were asked for; and each token is one
word that CLIP's text tower reads as one token, as the common words of a caption are.
"""

from pathlib import Path
from typing import Any

import open_clip
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.adaptor.adaptor import Adaptor
from maccap.bundle_writing import write_bundle
from maccap.config import AdaptorConfig, BundleConfig, ClipSource, DecodingConfig, LanguageModelSource
from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec
from maccap.text.language_model import FrozenLanguageModel

OPT_SIZES: dict[str, dict[str, Any]] = {
    "opt-125m": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072},
    "opt-1.3b": {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 32, "ffn_dim": 8192},
}
_VOCABULARY = 50272
_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def random_clip(name: str, seed: int = 0) -> FrozenClip:
    """open_clip's model `name` (for instance `ViT-B-32`) with random weights and its own tokenizer."""
    torch.manual_seed(seed)
    model = open_clip.create_model(name)
    pixels = PixelSpec.from_open_clip(model.visual.image_size, model.visual.preprocess_cfg)
    return FrozenClip(model, open_clip.get_tokenizer(name), open_clip.get_model_config(name), pixels)


def random_opt(name: str, seed: int = 0) -> FrozenLanguageModel:
    """An OPT of the size `name` that never ends a text, and has a vocabulary as large as OPT's, of words.

    Raises ValueError for a size that is not in OPT_SIZES.
    """
    if name not in OPT_SIZES:
        raise ValueError(f"unknown size {name}; there are {', '.join(OPT_SIZES)}")
    torch.manual_seed(seed)
    sizes, tokenizer = OPT_SIZES[name], _tokenizer()
    ids = {f"{key}_id": getattr(tokenizer, f"{key}_id") for key in ("bos_token", "pad_token", "eos_token")}
    config = OPTConfig(vocab_size=_VOCABULARY, word_embed_proj_dim=sizes["hidden_size"], **sizes, **ids)
    model = OPTForCausalLM(config)
    _never_say(model, tokenizer.eos_token_id)
    return FrozenLanguageModel(model, tokenizer)


def write_random_bundle(folder: Path, clip: str, llm: str, decoding: DecodingConfig) -> None:
    """A bundle of random models, in half precision as OPT's and CLIP's own are published, with the paper's
    adaptor, noise and regions.
    """
    config = open_clip.get_model_config(clip)
    lm = random_opt(llm)
    adaptor = Adaptor(AdaptorConfig(clip_dim=config["embed_dim"], llm_dim=lm.embedding_dim))
    bundle = BundleConfig(
        clip=ClipSource(name=clip),
        llm=LanguageModelSource(name=llm),
        adaptor=adaptor.config,
        decoding=decoding,
    )
    write_bundle(folder, bundle, random_clip(clip), lm, adaptor, half=True)


def _never_say(model: OPTForCausalLM, token: int) -> None:
    """Make the logit of `token` -36, six standard deviations below the others: its embedding, which is also
    its row of the head, points away from a bias that every last hidden state has.
    """
    norm = model.model.decoder.final_layer_norm
    with torch.no_grad():
        direction = torch.nn.functional.normalize(torch.randn_like(norm.bias), dim=0)
        norm.bias.copy_(-6 * direction)
        model.get_input_embeddings().weight[token] = 6 * direction


def _tokenizer() -> PreTrainedTokenizerFast:
    """The words of CLIP's vocabulary, which are one token each in CLIP; then the same capitalised."""
    pieces = open_clip.SimpleTokenizer().encoder
    words = [piece.removesuffix("</w>") for piece in pieces if piece.endswith("</w>")]
    words = sorted({word for word in words if word.isascii() and word.isalpha() and word.islower()})
    words = [*_SPECIAL.values(), *words, *(word.capitalize() for word in words)][:_VOCABULARY]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_SPECIAL)
