"""The frozen CLIP: an image's global feature, projected tokens and last-block attention; a text's feature.

Image features 1-3 of the method (the start of the paper's sub-region feature aggregation). open_clip returns
only the pooled feature, so the visual tower is walked here block by block; attention weights are asked of
the last block alone, and the others keep open_clip's fused path.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maccap.image.clip_files import ClipParts, read_folder, read_named, require_supported, write_folder
from maccap.image.preprocessing import PixelSpec, local_folder
from maccap.runtime.batch_sizes import IMAGES, TEXTS, needs_fixed_rows, rows_at_once
from maccap.runtime.fixed_rows import fill_up, padded_length
from maccap.runtime.packed_linear import pack_linears


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
        require_supported(model, name)
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
        parts = read_named(name, pretrained) if folder is None else read_folder(folder)
        model, tokenizer, config, pixels, bpe_path = parts
        clip = cls(model, tokenizer, config, pixels, bpe_path=bpe_path, name=name)
        return clip.to(device=device, dtype=dtype or torch.float32)

    @property
    def context_length(self) -> int:
        """Tokens of a text, start and end included; longer texts are cut."""
        return self.model.context_length

    @property
    def logit_scale(self) -> float:
        """What cosines are multiplied with where CLIP compares; of one that has both towers."""
        return float(self.model.logit_scale.exp())

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
        return image_tokens(visual, images.to(self.device, visual.conv1.weight.dtype))

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
        parts = ClipParts(self.model, self.tokenizer, self._model_config, self.pixels, self._bpe_path)
        write_folder(Path(folder), parts, half=half)


def image_tokens(visual: Any, images: Tensor) -> ImageTokens:
    """Steps 1-3 by open_clip's image tower, for images [R, 3, S, S] of its type and device."""
    hidden = visual._embeds(images)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        hidden = block(hidden)
    hidden, attention = _block_with_attention(last, hidden)
    tokens = F.normalize((visual.ln_post(hidden) @ visual.proj).float(), dim=-1)
    return ImageTokens(tokens[:, 0], tokens, attention.float())


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

    Attention is causal and the feature is read at the end-of-text token, so what follows does not affect it;
    a caption fills about 15 of 77 positions.
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
