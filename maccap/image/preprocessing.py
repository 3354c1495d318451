"""Pixels as a CLIP expects them, without torch: open_clip's inference resize and crop in Pillow alone.

Decoding runs in many CPU processes that hold no model. Torch in each of them would cost seconds to start and
hundreds of megabytes, so this file imports neither torch nor open_clip, and repeats open_clip's inference
transform to the byte (up to, and without, the mean and standard deviation, which `FrozenClip` applies).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from maccap.image.supported_clip import check_supported
from maccap.tower_config import CLIP_CONFIG_FILE, check_clip_config, read_json

LOCAL_PREFIX = "local-dir:"

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
# "random" is an augmentation; open_clip's inference transform reads it as bicubic
_INFERENCE_FILTER = {"random": "bicubic"}


@dataclass(frozen=True)
class PixelSpec:
    """What a CLIP expects of its pixels: edge length, resize rule, and the normalisation.

    Raises ValueError for a resize rule or an interpolation that open_clip does not have.
    """

    size: int
    resize_mode: str = "shortest"
    interpolation: str = "bicubic"
    fill_color: int = 0
    mean: tuple[float, float, float] = (0.48145466, 0.4578275, 0.40821073)
    std: tuple[float, float, float] = (0.26862954, 0.26130258, 0.27577711)

    def __post_init__(self) -> None:
        if self.resize_mode not in ("shortest", "longest", "squash"):
            raise ValueError(f"resize_mode {self.resize_mode!r} is not one of shortest, longest, squash")
        if self.interpolation not in _FILTERS:
            raise ValueError(f"interpolation {self.interpolation!r} is not one of {', '.join(_FILTERS)}")

    @classmethod
    def from_open_clip(cls, image_size: Any, preprocess: Mapping[str, Any]) -> "PixelSpec":
        """From the visual tower's image size and open_clip's `preprocess_cfg` (other keys are ignored).

        Raises ValueError for a CLIP whose images are not square.
        """
        height, width = image_size if isinstance(image_size, list | tuple) else (image_size, image_size)
        if height != width:
            raise ValueError(f"the CLIP takes {height} x {width} images; only square images are supported")
        known = {k: preprocess[k] for k in asdict(cls(1)) if k != "size" and preprocess.get(k) is not None}
        for key in ("mean", "std"):
            if key in known:
                value = known[key]
                known[key] = tuple(value) if isinstance(value, list | tuple) else (value,) * 3
        if "interpolation" in known:
            known["interpolation"] = _INFERENCE_FILTER.get(known["interpolation"], known["interpolation"])
        return cls(size=int(height), **known)

    def to_open_clip(self) -> dict[str, Any]:
        """As open_clip's `preprocess_cfg`."""
        return {**asdict(self), "mode": "RGB"}


def load_pixel_spec(name: str, pretrained: str | None = None) -> PixelSpec:
    """The pixels that CLIP `name` expects: a local open_clip folder, or an open_clip or `hf-hub:` name.

    A folder is read without torch. A name needs open_clip's tables, and so imports it (and torch).
    Raises FileNotFoundError for a folder without `open_clip_config.json`, ValueError for an unknown name, and
    for a CLIP that is not supported (`maccap.image.supported_clip`).
    """
    if (folder := local_folder(name)) is not None:
        config = read_clip_config(folder)
        check_supported(name, config["model_cfg"])
        return PixelSpec.from_open_clip(
            config["model_cfg"]["vision_cfg"].get("image_size", 224), config.get("preprocess_cfg", {})
        )
    import open_clip
    from open_clip.factory import HF_HUB_PREFIX, _get_hf_config

    if name.startswith(HF_HUB_PREFIX):
        config = _get_hf_config(name.removeprefix(HF_HUB_PREFIX))
        model_config, preprocess = config["model_cfg"], config.get("preprocess_cfg", {})
    else:
        model_config = open_clip.get_model_config(name.replace("/", "-"))
        preprocess = open_clip.get_pretrained_cfg(name.replace("/", "-"), pretrained) if pretrained else {}
    if model_config is None:
        raise ValueError(
            f"CLIP {name!r} is neither a folder nor a name open_clip knows (see open_clip.list_models())"
        )
    check_supported(name, model_config, pretrained)
    return PixelSpec.from_open_clip(model_config["vision_cfg"].get("image_size", 224), preprocess)


def local_folder(name: str) -> Path | None:
    """`name` as a folder when it is one (`local-dir:` is optional), else None."""
    path = Path(name.removeprefix(LOCAL_PREFIX))
    return path if name.startswith(LOCAL_PREFIX) or path.is_dir() else None


def read_clip_config(folder: Path) -> dict[str, Any]:
    """The folder's `open_clip_config.json`, with nothing in it that a loader would run or follow.

    Raises FileNotFoundError, ValueError and UnsafeModelError that name file and fix.
    """
    path = folder / CLIP_CONFIG_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: a local CLIP is a folder in open_clip's format, with {CLIP_CONFIG_FILE} "
            "and open_clip_model.safetensors"
        )
    config = read_json(path)
    model = config.get("model_cfg") if isinstance(config, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("vision_cfg"), dict):
        raise ValueError(f"{path} has no model_cfg.vision_cfg; write the folder with FrozenClip.save")
    check_clip_config(path, config)
    return config


def resize_and_crop(image: Image.Image, spec: PixelSpec) -> NDArray[np.uint8]:
    """RGB pixels [S, S, 3], byte for byte what open_clip's inference transform feeds to `ToTensor`.

    As there, the image is resized in its own mode and converted to RGB last; convert first to decide yourself
    what becomes of transparency or palettes.
    """
    size, width, height = spec.size, image.width, image.height
    if spec.resize_mode == "squash":
        target = (size, size)
    elif spec.resize_mode == "longest":
        ratio = max(width, height) / size
        target = (max(1, round(width / ratio)), max(1, round(height / ratio)))
    else:  # the short edge becomes `size`; the long one is cut down, not rounded, as torchvision does
        long_edge = int(size * max(width, height) / min(width, height))
        target = (size, long_edge) if width <= height else (long_edge, size)
    if target != image.size:
        image = image.resize(target, _FILTERS[spec.interpolation])
    if spec.resize_mode == "longest":
        image = _pad(image, spec)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    if image.size != (size, size):
        image = image.crop((left, top, left + size, top + size))
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _pad(image: Image.Image, spec: PixelSpec) -> Image.Image:
    """Centred on the fill colour, up to `size` on both edges; an odd pixel goes right and below."""
    across, down = max(0, spec.size - image.width), max(0, spec.size - image.height)
    if not across and not down:
        return image
    border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
    bands = len(image.getbands())
    return ImageOps.expand(image, border, fill=(spec.fill_color,) * bands if bands > 1 else spec.fill_color)
