"""Train the embedded CLIP, open_clip's own class at a tiny size, from nothing on rendered scenes.

Beside the contrastive loss, a dense one names what each patch shows: without it the projected patch tokens
that region features are made of would mean nothing. Batches hold each scene beside near copies of it (another
count, object or place), so that telling scenes apart takes counting and looking.
"""

import gzip
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch import Tensor, nn

from maccap.schedule import warmup_cosine
from maccap.world.captions import object_phrase, scene_captions
from maccap.world.lexicon import BACKGROUNDS, NOUNS
from maccap.world.mentions import Mentions, parse
from maccap.world.progress import Report
from maccap.world.render import patch_labels, render
from maccap.world.scene import MAX_OBJECTS, Scene, pair_split, place, sample_scene

SIDE, PATCH = 96, 12
CONTEXT = 24
VOCABULARY, CLIP_WEIGHTS = "bpe.txt.gz", "open_clip_model.safetensors"
_MERGES = 370
_MEAN = _STD = (0.5, 0.5, 0.5)
_DENSE_SCALE = 15.0
_MAX_LOGIT_SCALE = 40.0
CLASSES = [object_phrase(n, 1) for n in range(len(NOUNS))] + [b.phrases[0] for b in BACKGROUNDS]


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
            "context_length": CONTEXT, "vocab_size": vocabulary, "width": 128, "heads": 4, "layers": 3,
            "tokenizer_kwargs": {"bpe_path": VOCABULARY},
        },
    }  # fmt: skip


class PatchEmbedding(nn.Conv2d):
    """The patch convolution as one matrix product, a third faster on a CPU; same weights, same result."""

    def forward(self, images: Tensor) -> Tensor:
        rows, channels, height, width = images.shape
        patch = self.kernel_size[0]
        grid = images.view(rows, channels, height // patch, patch, width // patch, patch)
        patches = grid.permute(0, 2, 4, 1, 3, 5).flatten(3)
        return F.linear(patches, self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class SceneClip:
    """The CLIP while it trains, and what both phases of its training do with it."""

    def __init__(self, config: dict[str, Any], vocabulary: Path) -> None:
        self.config = config
        text_config = {k: v for k, v in config["text_cfg"].items() if k != "tokenizer_kwargs"}
        self.model = open_clip.CLIP(**{**config, "text_cfg": text_config})
        self.visual: Any = self.model.visual
        self.visual.conv1 = PatchEmbedding(3, config["vision_cfg"]["width"], PATCH, PATCH, bias=False)
        self.visual.output_tokens = True
        self.tokenizer = open_clip.SimpleTokenizer(bpe_path=str(vocabulary), context_length=CONTEXT)

    def encode_scenes(self, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Features [B, D] and projected patch tokens [B, P, D] of rendered scenes, unit length."""
        images = torch.from_numpy(np.stack([np.asarray(render(scene, SIDE)) for scene in scenes]))
        with torch.autocast("cpu", torch.bfloat16):
            pooled, tokens = self.visual(
                ((images.float() / 255 - 0.5) / 0.5).permute(0, 3, 1, 2).contiguous()
            )
            patches = tokens @ self.visual.proj
        return F.normalize(pooled.float(), dim=-1), F.normalize(patches.float(), dim=-1)

    def encode_texts(self, texts: list[str]) -> Tensor:
        """Features [len(texts), D], unit length."""
        with torch.autocast("cpu", torch.bfloat16):
            return F.normalize(self.model.encode_text(self.tokenizer(texts)).float(), dim=-1)

    def logits(self, image: Tensor, text: Tensor, scenes: list[Scene], captions: list[str]) -> Tensor:
        """Scaled cosines [B, B] of images and captions, without the pairs that are no negative example."""
        cosines = self.model.logit_scale.exp() * image @ text.T
        return cosines.masked_fill(also_true(scenes, captions), -1e4)

    def save(self, folder: Path) -> None:
        preprocess = {"mean": _MEAN, "std": _STD, "interpolation": "bicubic", "resize_mode": "shortest"}
        document = {"model_cfg": self.config, "preprocess_cfg": preprocess}
        (folder / "open_clip_config.json").write_text(json.dumps(document, indent=2) + "\n")
        weights = {key: value.contiguous() for key, value in self.model.state_dict().items()}
        save_file(weights, folder / CLIP_WEIGHTS)


def contrastive_loss(logits: Tensor) -> Tensor:
    """CLIP's loss: each image picks its caption, each caption its image."""
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def dense_loss(patches: Tensor, names: Tensor, scenes: list[Scene]) -> Tensor:
    """Each patch token [B, P, D] picks the name of what it shows among the class texts `names` [C, D]."""
    labels = torch.from_numpy(np.stack([patch_labels(scene, SIDE // PATCH) for scene in scenes]))
    return F.cross_entropy((_DENSE_SCALE * patches @ names.T).flatten(0, 1), labels.flatten())


def scene_batch(rng: np.random.Generator, batch: int) -> list[Scene]:
    """`batch` training scenes, in groups of near copies."""
    return [near for _ in range(batch // 4) for near in near_copies(sample_scene(rng, "train"), rng)]


def train_clip(
    folder: Path, steps: int, *, width: int, layers: int, embed_dim: int = 128, batch: int = 160,
    learning_rate: float = 1e-3, seed: int = 0,
) -> None:  # fmt: skip
    """Train both towers for `steps` batches of `batch` scenes; the CLIP goes into `folder` as open_clip reads
    it.
    """
    torch.manual_seed(seed)
    clip = SceneClip(
        model_config(write_vocabulary(folder, seed), width, layers, embed_dim), folder / VOCABULARY
    )
    parameters = list(clip.model.parameters())
    rng = np.random.default_rng([2, seed])
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    schedule = warmup_cosine(optimizer, steps)
    report = Report("CLIP", steps)
    for step in range(steps):
        scenes = scene_batch(rng, batch)
        captions = [scene_captions(scene, rng, 1)[0] for scene in scenes]
        image, patches = clip.encode_scenes(scenes)
        text, names = clip.encode_texts([*captions, *CLASSES]).split([batch, len(CLASSES)])
        logits = clip.logits(image, text, scenes, captions)
        contrast, dense = contrastive_loss(logits), dense_loss(patches, names, scenes)
        optimizer.zero_grad()
        (contrast + 0.5 * dense).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            clip.model.logit_scale.clamp_(max=float(np.log(_MAX_LOGIT_SCALE)))
        right = (logits.argmax(1) == torch.arange(batch)).float().mean().item()
        cosine = (image * text).sum(-1).mean().item()
        report(step, contrast=contrast.item(), dense=dense.item(), right=right, cosine=cosine)
        if (step + 1) % 250 == 0 or step + 1 == steps:
            clip.save(folder)


def near_copies(scene: Scene, rng: np.random.Generator) -> list[Scene]:
    """The scene, and three that differ in one thing: a count, an object, the place; all laid out anew."""
    counts = scene.counts()
    members = [noun for noun, count in counts.items() for _ in range(count)]
    changed = int(rng.choice(list(counts)))
    others = [noun for noun in counts if noun != changed]
    recounted = [noun for noun in members if noun != changed] + [changed] * _other_count(
        counts[changed], MAX_OBJECTS - len(members) + counts[changed], rng
    )
    while True:
        stranger = int(rng.integers(len(NOUNS)))
        trio = [stranger, *others]
        if stranger not in counts and all(pair_split(a, b) == "train" for a, b in combinations(trio, 2)):
            break
    renamed = [stranger if noun == changed else noun for noun in members]
    elsewhere = (scene.background + 1 + int(rng.integers(len(BACKGROUNDS) - 1))) % len(BACKGROUNDS)
    return [
        scene,
        place(recounted, scene.background, rng),
        place(renamed, scene.background, rng),
        place(members, elsewhere, rng),
    ]


def also_true(scenes: list[Scene], captions: list[str]) -> Tensor:
    """Where caption j names all kinds of scene i, with true counts and place, off the diagonal: bool [B, B].

    Such a pair is no negative example. Relations are not looked at.
    """
    counts = np.zeros((len(scenes), len(NOUNS)), dtype=np.int8)
    for row, scene in enumerate(scenes):
        for kind, count in scene.counts().items():
            counts[row, kind] = count
    said = [parse(caption) for caption in captions]
    named = np.stack([_said_counts(mentions) for mentions in said])
    places = np.array([-1 if mentions.background is None else mentions.background for mentions in said])
    agree = np.ones((len(scenes), len(captions)), dtype=bool)
    for noun in np.flatnonzero(counts.any(axis=0)):
        there, told = counts[:, None, noun], named[None, :, noun]
        agree &= (there == told) | ((told == -1) & (there > 1))
    agree &= (places[None, :] == -1) | (np.array([s.background for s in scenes])[:, None] == places[None, :])
    np.fill_diagonal(agree, False)
    return torch.from_numpy(agree)


def _said_counts(mentions: Mentions) -> np.ndarray:
    row = np.zeros(len(NOUNS), dtype=np.int8)
    for noun, count in mentions.counts.items():
        row[noun] = -1 if count is None else count
    return row


def _other_count(count: int, room: int, rng: np.random.Generator) -> int:
    options = [c for c in (1, 2, 3) if c != count and c <= room]
    return int(rng.choice(options)) if options else count
