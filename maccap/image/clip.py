"""The frozen CLIP: an image's global feature, projected tokens and last-block attention; a text's feature.

Image features 1-3 of the method (the start of the paper's sub-region feature aggregation). open_clip returns
only the pooled feature, so the visual tower is walked here block by block; attention weights are asked of
the last block alone, and the others keep open_clip's fused path.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import open_clip
import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from safetensors.torch import save_file
from torch import Tensor, nn

from maccap.image.preprocessing import LOCAL_PREFIX, PixelSpec, local_folder, read_clip_config
from maccap.image.supported_clip import check_supported, unsupported
from maccap.runtime.batch_sizes import IMAGES, TEXTS, needs_fixed_rows, rows_at_once
from maccap.runtime.fixed_rows import fill_up, padded_length
from maccap.runtime.packed_linear import pack_linears
from maccap.tower_config import CLIP_CONFIG_FILE, check_clip_config, is_path, refusing_code, without_code

_WEIGHTS_FILE = "open_clip_model.safetensors"
# those that open_clip looks for first; of other names it would take what unpickles before safetensors
_KNOWN_WEIGHTS = {_WEIGHTS_FILE, "open_clip_pytorch_model.safetensors", "model.safetensors"}
_BPE_FILE = "bpe.txt.gz"
_TEXT_TOWER_FILE = "config.json"  # of a Hugging Face text tower, as transformers names it


class ImageTokens(NamedTuple):
    """What image features are made of: R images, P patches, CLIP dimension D; float32, on CLIP's device."""

    global_: Tensor  # [R, D], unit length
    tokens: Tensor  # [R, 1 + P, D], each of unit length; token 0 is CLS
    attention: Tensor  # [R, 1 + P, 1 + P], mean over the last block's heads; rows sum to 1


class FrozenClip(nn.Module):
    """An open_clip model with a ViT and a CLS token, always in evaluation mode.

    `model_config` is open_clip's `model_cfg`, kept so that the CLIP can be saved; `bpe_path` is the
    vocabulary of its SimpleTokenizer where it has its own.

    Raises ValueError for a visual tower whose tokens cannot be projected into CLIP space (timm towers,
    ResNets, attentional or average pooling) or whose attention cannot be read (open_clip's custom blocks).
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Callable[[list[str]], Tensor],
        model_config: dict[str, Any],
        pixels: PixelSpec,
        *,
        bpe_path: Path | None = None,
        name: str = "CLIP",
    ) -> None:
        super().__init__()
        _require_supported(model, name)
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.pixels = pixels
        visual: Any = model.visual
        self.embed_dim: int = visual.output_dim  # D, known whichever tower is kept
        self._model_config = model_config
        self._bpe_path = bpe_path

    @classmethod
    def load(
        cls,
        name: str,
        pretrained: str | None = None,
        device: str | torch.device = "cpu",
        dtype: torch.dtype | None = None,
    ) -> Self:
        """`name` is an open_clip name (with its `pretrained` tag), an `hf-hub:` name, or an open_clip folder.

        Half-precision weights on disk become `dtype`, float32 by default. Raises FileNotFoundError for a
        folder that lacks a file, ValueError for an unknown name or tag, or a tower that is not supported, and
        `maccap.tower_config.UnsafeModelError`, a ValueError too, for a config that names code. Of a folder
        only safetensors are read; what open_clip's table or a hub has otherwise, by torch's loader of
        weights alone.
        """
        folder = local_folder(name)
        if folder is not None:
            return cls._load_folder(folder).to(device=device, dtype=dtype or torch.float32)
        if not name.startswith("hf-hub:"):
            tags = open_clip.list_pretrained_tags_by_model(name.replace("/", "-"))
            if open_clip.get_model_config(name.replace("/", "-")) is None:
                raise ValueError(f"CLIP {name!r} is neither a folder nor a name in open_clip.list_models()")
            if pretrained is None:
                raise ValueError(f"CLIP {name!r} needs its weights named: pretrained is one of {tags}")
        config = open_clip.get_model_config(name if name.startswith("hf-hub:") else name.replace("/", "-"))
        check_supported(name, config, pretrained)
        _require_harmless(name, config)
        model = open_clip.create_model(
            name, pretrained=pretrained, require_pretrained=True, weights_only=True
        )
        _require_supported(model, name)
        pixels = PixelSpec.from_open_clip(model.visual.image_size, model.visual.preprocess_cfg)
        clip = cls(model, _tokenizer(name, config), config, pixels, name=name)
        return clip.to(device=device, dtype=dtype or torch.float32)

    @classmethod
    def _load_folder(cls, folder: Path) -> Self:
        config = read_clip_config(folder)["model_cfg"]
        weights = sorted(path.name for path in folder.glob("*.safetensors"))
        if not weights:
            raise FileNotFoundError(f"{folder} has no {_WEIGHTS_FILE}; only safetensors are read")
        if not _KNOWN_WEIGHTS & {*weights} and any(folder.glob("*.bin")) | any(folder.glob("*.pth")):
            raise ValueError(
                f"{folder} has weights that unpickle beside {weights[0]}; rename that to {_WEIGHTS_FILE}"
            )
        # the vocabulary is named relative to the folder, so that the folder can be moved
        own = (config.get("text_cfg", {}).get("tokenizer_kwargs") or {}).get("bpe_path")
        bpe_path = folder / own if own else None
        if bpe_path is not None and not bpe_path.is_file():
            raise FileNotFoundError(f"{bpe_path} is missing; {CLIP_CONFIG_FILE} names it as bpe_path")
        source = f"{LOCAL_PREFIX}{folder}"
        check_supported(str(folder), config)
        own_text = _own_text_tower(folder, config)
        _require_harmless(str(folder), {**config, **own_text})
        model = open_clip.create_model(source, require_pretrained=True, weights_only=True, **own_text)
        _require_supported(model, str(folder))
        options = {"bpe_path": str(bpe_path)} if bpe_path else {}
        return cls(
            model,
            _tokenizer(source, config, **options),
            config,
            PixelSpec.from_open_clip(model.visual.image_size, model.visual.preprocess_cfg),
            bpe_path=bpe_path,
            name=str(folder),
        )

    @property
    def context_length(self) -> int:
        """Tokens of a text, start and end included; longer texts are cut."""
        return self.model.context_length

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def train(self, mode: bool = True) -> Self:
        """Frozen: stays in evaluation mode, whatever a module that holds it asks."""
        return super().train(False)

    def weights(self) -> dict[str, Tensor]:
        """All of them, by name."""
        return self.model.state_dict()

    def keep(self, tower: Literal["image", "text"]) -> Self:
        """Give up what the other tower needs and pack this one's weights, where one kind alone is encoded."""
        model = self.model
        of_image = {"visual"}
        of_text = {name for name, _ in [*model.named_children(), *model.named_parameters(recurse=False)]}
        of_text -= {*of_image, "logit_scale", "logit_bias"}
        for name in of_text if tower == "image" else of_image:
            delattr(model, name)
        if tower == "image":
            del self.tokenizer  # 17 MB
        pack_linears(model)
        return self

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> ImageTokens:
        """Steps 1-3 for uint8 pixels [R, S, S, 3] of `resize_and_crop`; see `ImageTokens` for shapes.

        Raises ValueError for pixels of another size or type.
        """
        size = self.pixels.size
        if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != (size, size, 3):
            raise ValueError(
                f"CLIP takes uint8 pixels [R, {size}, {size}, 3], not {pixels.dtype} {list(pixels.shape)}"
            )
        # kept out of the module's buffers, which a cast to half precision would round
        mean, std = (
            torch.tensor(value, device=self.device).view(3, 1, 1)
            for value in (self.pixels.mean, self.pixels.std)
        )
        # one pass from bytes to normalised numbers, on the device
        images = pixels.to(self.device).permute(0, 3, 1, 2)
        length, width = self.model.visual.positional_embedding.shape
        size = rows_at_once(length, width, self.device)
        fixed = self._needs_fixed_rows
        if fixed:
            size = min(size, IMAGES)
        parts = []
        for some in images.split(size):
            block = fill_up(some, size) if fixed else some
            encoded = self.encode_normalised(torch.addcmul(-mean / std, block, 1 / (255 * std)))
            parts.append([part[: len(some)] for part in encoded])
        return ImageTokens(*map(torch.cat, zip(*parts, strict=True)))

    @torch.no_grad()
    def encode_normalised(self, images: Tensor) -> ImageTokens:
        """Steps 1-3 for images [R, 3, S, S] that the mean and standard deviation were already applied to."""
        visual: Any = self.model.visual
        hidden = visual._embeds(images.to(self.device, visual.conv1.weight.dtype))
        *blocks, last = visual.transformer.resblocks
        for block in blocks:
            hidden = block(hidden)
        hidden, attention = _block_with_attention(last, hidden)
        tokens = F.normalize((visual.ln_post(hidden) @ visual.proj).float(), dim=-1)
        return ImageTokens(tokens[:, 0], tokens, attention.float())

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """Token ids [R, context_length], cut where a text is longer."""
        return self.tokenizer(list(texts))

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Text features [R, D], float32, unit length."""
        return self.encode_text_tokens(self.tokenize(texts))

    @torch.no_grad()
    def encode_text_tokens(self, tokens: Tensor) -> Tensor:
        """Text features [R, D], float32, unit length, of token ids [R, context_length]."""
        tokens, model = tokens.to(self.device), self.model
        causal = isinstance(model, open_clip.CLIP) and model.attn_mask is not None
        cut = causal and model.text_pool_type == "argmax"
        whole = tokens.shape[1]
        if not len(tokens):
            return tokens.new_zeros(0, self.embed_dim, dtype=torch.float32)
        lengths = tokens.argmax(dim=-1) + 1 if cut else torch.full_like(tokens[:, 0], whole)

        def encode(some: Tensor, length: int) -> Tensor:
            return _encode_causal_text(model, some, length) if cut else model.encode_text(some)

        if not self._needs_fixed_rows:
            size = rows_at_once(int(lengths.max()), self.embed_dim, self.device)
            parts = zip(tokens.split(size), lengths.split(size), strict=True)
            features = torch.cat([encode(some, int(own.max())) for some, own in parts])
            return F.normalize(features.float(), dim=-1)
        features = tokens.new_zeros(len(tokens), self.embed_dim, dtype=torch.float32)
        padded = padded_length(lengths, whole)
        for length in padded.unique().tolist():
            rows = (padded == length).nonzero()[:, 0]
            size = min(TEXTS, rows_at_once(length, self.embed_dim, self.device))
            for some in rows.split(size):
                features[some] = encode(tokens[fill_up(some, size)], length)[: len(some)].float()
        return F.normalize(features, dim=-1)

    @property
    def _needs_fixed_rows(self) -> bool:
        return needs_fixed_rows(self.device, next(self.model.parameters()).dtype)

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write open_clip's folder: config, safetensors (float16 when `half`), the tokenizer's own files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        config = deepcopy(self._model_config)
        if self._bpe_path is not None:
            if self._bpe_path.resolve() != (folder / _BPE_FILE).resolve():
                shutil.copyfile(self._bpe_path, folder / _BPE_FILE)
            text = config["text_cfg"]
            text["tokenizer_kwargs"] = {**(text.get("tokenizer_kwargs") or {}), "bpe_path": _BPE_FILE}
        if isinstance(self.tokenizer, HFTokenizer):
            without_code(self.tokenizer.tokenizer)
            self.tokenizer.tokenizer.save_pretrained(folder)
        if config["text_cfg"].get("hf_model_name"):
            own = deepcopy(self.model.text.config)
            without_code(own)
            own.save_pretrained(folder)
            for key in ("hf_model_name", "hf_tokenizer_name"):
                if key in config["text_cfg"]:  # of a folder the name alone: what it held lies here now
                    config["text_cfg"][key] = _hub_name(config["text_cfg"][key])
        document = {"model_cfg": config, "preprocess_cfg": self.pixels.to_open_clip()}
        (folder / CLIP_CONFIG_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        weights = {
            key: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
            for key, value in self.model.state_dict().items()
        }
        save_file(weights, folder / _WEIGHTS_FILE)


def _hub_name(name: str) -> str:
    return Path(name).name if is_path(name) else name


def _require_harmless(name: str, config: dict[str, Any]) -> None:
    """Checks a config before anything is built or downloaded.

    Raises UnsafeModelError, ValueError.
    """
    check_clip_config(name, {"model_cfg": config})
    if text_tower := config.get("text_cfg", {}).get("hf_model_name"):
        from transformers import AutoConfig

        with refusing_code(text_tower):  # open_clip would ask at the keyboard
            own = Path(text_tower).is_dir()
            AutoConfig.from_pretrained(text_tower, trust_remote_code=False, local_files_only=own)


def _own_text_tower(folder: Path, config: dict[str, Any]) -> dict[str, Any]:
    """The `text_cfg` of a folder that holds the config of its Hugging Face text tower, to build it from."""
    text = config.get("text_cfg", {})
    if not text.get("hf_model_name") or not (folder / _TEXT_TOWER_FILE).is_file():
        return {}
    return {"text_cfg": {**text, "hf_model_name": str(folder), "hf_model_pretrained": False}}


def _tokenizer(source: str, config: dict[str, Any], **options: Any) -> Any:
    if config.get("text_cfg", {}).get("hf_tokenizer_name"):
        options |= {"trust_remote_code": False, "local_files_only": local_folder(source) is not None}
    with refusing_code(source):
        return open_clip.get_tokenizer(source, **options)


def _require_supported(model: nn.Module, name: str) -> None:
    visual = getattr(model, "visual", None)
    if not isinstance(visual, VisionTransformer):
        found = f"a {type(visual).__name__} tower"
    elif isinstance(model, open_clip.CoCa):
        found = "a CoCa tower"
    elif visual.attn_pool is not None:
        found = "a ViT with attentional pooling"
    elif visual.pool_type != "tok":
        found = f"a ViT with {visual.pool_type!r} pooling"
    elif not isinstance(visual.transformer.resblocks[-1], ResidualAttentionBlock):
        found = "a ViT with custom attention blocks"
    else:
        return
    raise unsupported(name, found)


def _block_with_attention(block: Any, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """open_clip's ResidualAttentionBlock, and its attention weights averaged over heads."""
    normed = block.ln_1(hidden)
    attended, attention = _attend(block.attn, normed)
    hidden = hidden + block.ls_1(attended)
    return hidden + block.ls_2(block.mlp(block.ln_2(hidden))), attention


def _attend(layer: Any, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """What self-attention makes of [R, T, D], and its weights [R, T, T], averaged over heads."""
    if isinstance(layer, nn.MultiheadAttention):  # of open_clip 3
        return layer(tokens, tokens, tokens, need_weights=True, average_attn_weights=True)
    # open_clip 4 has a layer of its own, by the same names, which does not tell its weights
    parts = F.linear(tokens, layer.in_proj_weight, layer.in_proj_bias).unflatten(-1, (3, layer.num_heads, -1))
    queries, keys, values = parts.permute(2, 0, 3, 1, 4)
    weights = torch.softmax(queries * layer.scale @ keys.transpose(-2, -1), dim=-1)
    return layer.out_proj((weights @ values).transpose(1, 2).flatten(2)), weights.mean(dim=1)


def _encode_causal_text(model: Any, tokens: Tensor, length: int) -> Tensor:
    """open_clip's `CLIP.encode_text` of the first `length` tokens, which no text is longer than.

    Attention is causal and the feature is read at the end-of-text token, so what follows it has no say; a
    caption fills about 15 of 77 positions.
    """
    end = tokens.argmax(dim=-1)
    dtype = model.transformer.get_cast_dtype()
    hidden = model.token_embedding(tokens[:, :length]).to(dtype) + model.positional_embedding[:length].to(
        dtype
    )
    hidden = model.transformer(hidden, attn_mask=model.attn_mask[:length, :length])
    pooled = model.ln_final(hidden[torch.arange(len(tokens), device=tokens.device), end])
    projection = model.text_projection
    if projection is None:
        return pooled
    return projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
