"""The built-in CLIP while it trains: open_clip's own class at a tiny size, with a vocabulary of its own."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from maccap.image.clip import ImageTokens, image_tokens
from maccap.runtime.half_products import half_products
from maccap.scenes.world.captions import scene_captions
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import Scene, sample_scene

SIDE, PATCH = 96, 12
CONTEXT = 24
VOCABULARY, CLIP_WEIGHTS = "bpe.txt.gz", "open_clip_model.safetensors"
_MERGES = 370
_MEAN = _STD = (0.5, 0.5, 0.5)


def train_merges(seed: int = 0, captions: int = 20_000) -> list[str]:
    """Byte-pair merges for open_clip's SimpleTokenizer: its 49,152 entries would be most of the weights."""
    rng = np.random.default_rng(seed)
    words = Counter(
        word
        for _ in range(captions // 5)
        for text in scene_captions(sample_scene(rng, "train"), rng)
        for word in text.replace(",", " ,").split()
    )
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=10_000, end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator((word for word, n in sorted(words.items()) for _ in range(n)), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(pair) for pair in merges[:_MERGES]]


def write_vocabulary(folder: Path, seed: int = 0) -> int:
    """Write `bpe.txt.gz` as open_clip reads it; returns its size: bytes, word ends, merges, two marks."""
    merges = train_merges(seed)
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(["#version: maccap scenes", *merges])
    (folder / VOCABULARY).write_bytes(gzip.compress(text.encode(), mtime=0))
    return 512 + len(merges) + 2


def model_config(vocabulary: int, width: int, layers: int, embed_dim: int) -> dict[str, Any]:
    """open_clip's `model_cfg` of the tiny CLIP."""
    return {
        "embed_dim": embed_dim,
        "quick_gelu": False,
        "vision_cfg": {
            "image_size": SIDE, "patch_size": PATCH, "width": width, "layers": layers, "head_width": 32,
        },
        "text_cfg": {
            "context_length": CONTEXT, "vocab_size": vocabulary, "width": 192, "heads": 6, "layers": 2,
            "tokenizer_kwargs": {"bpe_path": VOCABULARY},
        },
    }  # fmt: skip


def _rendered(scenes: list[Scene]) -> Tensor:
    """Scenes as the image tower takes them, [B, 3, SIDE, SIDE]."""
    images = torch.from_numpy(np.stack([np.asarray(render(scene, SIDE)) for scene in scenes]))
    return ((images.float() / 255 - 0.5) / 0.5).permute(0, 3, 1, 2).contiguous()


class PatchEmbedding(nn.Conv2d):
    """The patch convolution as one matrix product, a third faster on a CPU; same weights, same result."""

    def forward(self, images: Tensor) -> Tensor:
        rows, channels, height, width = images.shape
        patch = self.kernel_size[0]
        grid = images.view(rows, channels, height // patch, patch, width // patch, patch)
        patches = grid.permute(0, 2, 4, 1, 3, 5).flatten(3)
        return F.linear(patches, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


@contextmanager
def _fast_products() -> Iterator[None]:
    """Half precision where the processor has it, and attention as plain products: the fused kernel's backward
    is slower on a CPU.
    """
    with half_products(torch.device("cpu")), sdpa_kernel(SDPBackend.MATH):
        yield


class SceneClip:
    """Both towers, and features of scenes and texts with gradients."""

    def __init__(self, config: dict[str, Any], vocabulary: Path) -> None:
        self.config = config
        text_config = {k: v for k, v in config["text_cfg"].items() if k != "tokenizer_kwargs"}
        self.model = open_clip.CLIP(**{**config, "text_cfg": text_config})
        self.visual: Any = self.model.visual
        self.visual.conv1 = PatchEmbedding(3, config["vision_cfg"]["width"], PATCH, PATCH, bias=False)
        self.visual.output_tokens = True
        self.visual.transformer.resblocks[-2].register_forward_hook(self._keep_tokens)
        self.tokenizer = open_clip.SimpleTokenizer(bpe_path=str(vocabulary), context_length=CONTEXT)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The CLIP that `save` left in `folder`, with its vocabulary beside it."""
        config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
        clip = cls(config, folder / VOCABULARY)
        clip.model.load_state_dict(load_file(folder / CLIP_WEIGHTS))
        return clip

    def encode_scenes(self, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Features [B, D] of rendered scenes, and their projected patch tokens [2, B, P, D] after the last
        but one and the last block; all of unit length.
        """
        with _fast_products():
            pooled, tokens = self.visual(_rendered(scenes))
            before = self.visual.ln_post(self._tokens[:, 1:])
            patches = torch.stack([before, tokens]) @ self.visual.proj
        return F.normalize(pooled.float(), dim=-1), F.normalize(patches.float(), dim=-1)

    def encode_tokens(self, scenes: list[Scene]) -> ImageTokens:
        """Of rendered scenes, what the method's regions are made of."""
        with _fast_products():
            return image_tokens(self.visual, _rendered(scenes))

    def _keep_tokens(self, block: nn.Module, inputs: object, tokens: Tensor) -> None:
        self._tokens = tokens

    def text_parameters(self) -> dict[str, nn.Parameter]:
        """All but the image tower's, the logit scale included, by name."""
        named = self.model.named_parameters()
        return {name: value for name, value in named if not name.startswith("visual.")}

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Features [len(texts), D], unit length."""
        with _fast_products():
            return F.normalize(self.model.encode_text(self.tokenizer(texts)).float(), dim=-1)

    def save(self, folder: Path) -> None:
        preprocess = {"mean": _MEAN, "std": _STD, "interpolation": "bicubic", "resize_mode": "shortest"}
        document = {"model_cfg": self.config, "preprocess_cfg": preprocess}
        (folder / "open_clip_config.json").write_text(json.dumps(document, indent=2) + "\n")
        weights = {key: value.contiguous() for key, value in self.model.state_dict().items()}
        save_file(weights, folder / CLIP_WEIGHTS)
