"""A CLIP's parts, read from what open_clip knows by name, a hub's repository or a folder, and written to a
folder. Weights that may run code as they are read are not.
"""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import open_clip
from open_clip.tokenizer import HFTokenizer
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from safetensors.torch import save_file
from torch import Tensor, nn

from maccap.image.preprocessing import LOCAL_PREFIX, PixelSpec, local_folder, read_clip_config
from maccap.image.supported_clip import (
    ATTENTIONAL_POOLING,
    COCA,
    CUSTOM_BLOCKS,
    check_supported,
    unsupported,
)
from maccap.tower_config import CLIP_CONFIG_FILE, check_clip_config, is_path, refusing_code, without_code

_WEIGHTS_FILE = "open_clip_model.safetensors"
# those that open_clip looks for first; of other names it would take what unpickles before safetensors
_KNOWN_WEIGHTS = {_WEIGHTS_FILE, "open_clip_pytorch_model.safetensors", "model.safetensors"}
_PICKLED = (".bin", ".pt", ".pth")
_BPE_FILE = "bpe.txt.gz"
_TEXT_TOWER_FILE = "config.json"  # of a Hugging Face text tower, as transformers names it


class ClipParts(NamedTuple):
    """What `maccap.image.clip.FrozenClip` is made of."""

    model: Any
    tokenizer: Callable[[list[str]], Tensor]
    model_config: dict[str, Any]  # open_clip's `model_cfg`
    pixels: PixelSpec
    bpe_path: Path | None = None  # the vocabulary of open_clip's SimpleTokenizer where it has its own


def read_named(name: str, pretrained: str | None) -> ClipParts:
    """By an open_clip name and its tag, or an `hf-hub:` name. Raises as `FrozenClip.load` does."""
    if not name.startswith("hf-hub:"):
        tags = open_clip.list_pretrained_tags_by_model(name.replace("/", "-"))
        if open_clip.get_model_config(name.replace("/", "-")) is None:
            raise ValueError(f"CLIP {name!r} is neither a folder nor a name in open_clip.list_models()")
        if pretrained is None:
            raise ValueError(f"CLIP {name!r} needs its weights named: pretrained is one of {tags}")
    config = open_clip.get_model_config(name if name.startswith("hf-hub:") else name.replace("/", "-"))
    check_supported(name, config, pretrained)
    _require_harmless(name, config)
    model = open_clip.create_model(name, pretrained=pretrained, require_pretrained=True, weights_only=True)
    return ClipParts(model, _tokenizer(name, config), config, _pixels(model, name))


def read_folder(folder: Path) -> ClipParts:
    """From a folder in open_clip's format. Raises as `FrozenClip.load` does."""
    config = read_clip_config(folder)["model_cfg"]
    weights = sorted(path.name for path in folder.glob("*.safetensors"))
    if not weights:
        told = f"{folder} has no {_WEIGHTS_FILE}; of a folder only safetensors are read"
        if pickled := sorted(path for path in folder.iterdir() if path.suffix in _PICKLED):
            told += f"; or name the model as open_clip does, with {pickled[0]} for its pretrained tag"
        raise FileNotFoundError(told)
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
    pixels = _pixels(model, str(folder))
    options = {"bpe_path": str(bpe_path)} if bpe_path else {}
    return ClipParts(model, _tokenizer(source, config, **options), config, pixels, bpe_path)


def write_folder(folder: Path, clip: ClipParts, *, half: bool) -> None:
    """Write open_clip's folder: config, safetensors (float16 when `half`), the tokenizer's own files."""
    folder.mkdir(parents=True, exist_ok=True)
    config = deepcopy(clip.model_config)
    if clip.bpe_path is not None:
        if clip.bpe_path.resolve() != (folder / _BPE_FILE).resolve():
            shutil.copyfile(clip.bpe_path, folder / _BPE_FILE)
        text = config["text_cfg"]
        text["tokenizer_kwargs"] = {**(text.get("tokenizer_kwargs") or {}), "bpe_path": _BPE_FILE}
    if isinstance(clip.tokenizer, HFTokenizer):
        without_code(clip.tokenizer.tokenizer)
        clip.tokenizer.tokenizer.save_pretrained(folder)
    if config["text_cfg"].get("hf_model_name"):
        own = deepcopy(clip.model.text.config)
        without_code(own)
        own.save_pretrained(folder)
        for key in ("hf_model_name", "hf_tokenizer_name"):
            if key in config["text_cfg"]:  # of a folder the name alone: what it held lies here now
                config["text_cfg"][key] = _hub_name(config["text_cfg"][key])
    document = {"model_cfg": config, "preprocess_cfg": clip.pixels.to_open_clip()}
    (folder / CLIP_CONFIG_FILE).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    weights = {
        key: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for key, value in clip.model.state_dict().items()
    }
    save_file(weights, folder / _WEIGHTS_FILE)


def require_supported(model: nn.Module, name: str) -> None:
    """Raises ValueError for a model that cannot be read, as `check_supported` does by its config."""
    visual = getattr(model, "visual", None)
    if not isinstance(visual, VisionTransformer):
        found = f"a {type(visual).__name__} tower"
    elif isinstance(model, open_clip.CoCa):
        found = COCA
    elif visual.attn_pool is not None:
        found = ATTENTIONAL_POOLING
    elif visual.pool_type != "tok":
        found = f"a ViT with {visual.pool_type!r} pooling"
    elif not isinstance(visual.transformer.resblocks[-1], ResidualAttentionBlock):
        found = CUSTOM_BLOCKS
    else:
        return
    raise unsupported(name, found)


def _pixels(model: Any, name: str) -> PixelSpec:
    require_supported(model, name)
    return PixelSpec.from_open_clip(model.visual.image_size, model.visual.preprocess_cfg)


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
