"""`resize_and_crop` against open_clip's own inference transform, and specs read without torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from open_clip.transform import image_transform
from PIL import Image
from torchvision.transforms import Normalize, ToTensor

from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec, load_pixel_spec, resize_and_crop


def open_clip_pixels(image: Image.Image, spec: PixelSpec) -> np.ndarray:
    transform = image_transform(
        spec.size,
        is_train=False,
        resize_mode=spec.resize_mode,
        interpolation=spec.interpolation,
        fill_color=spec.fill_color,
    )
    for step in transform.transforms:
        if not isinstance(step, ToTensor | Normalize):
            image = step(image)
    return np.array(image)


@pytest.mark.parametrize("fill_color", [0, 128])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
def test_same_bytes_as_open_clip(
    photos: list[Image.Image], resize_mode: str, interpolation: str, fill_color: int
) -> None:
    for size in (32, 45):
        spec = PixelSpec(size, resize_mode, interpolation, fill_color)
        for photo in photos:
            np.testing.assert_array_equal(resize_and_crop(photo, spec), open_clip_pixels(photo, spec))


@pytest.mark.parametrize("resize_mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
def test_same_bytes_in_other_modes(photos: list[Image.Image], mode: str, resize_mode: str) -> None:
    spec = PixelSpec(32, resize_mode)
    for photo in photos[:4]:
        image = photo.convert("L").convert("I").convert("I;16") if mode == "I;16" else photo.convert(mode)
        np.testing.assert_array_equal(resize_and_crop(image, spec), open_clip_pixels(image, spec))


def test_an_image_one_pixel_high_still_fits() -> None:
    """open_clip's own transform rounds such an image away, and fails."""
    pixels = resize_and_crop(Image.new("RGB", (1000, 1), "white"), PixelSpec(32, "longest"))
    assert pixels.shape == (32, 32, 3)
    assert pixels.any(axis=(1, 2)).sum() == 1


def test_spec_of_a_folder_is_read_without_torch(make_clip: Callable[..., FrozenClip], tmp_path: Path) -> None:
    make_clip().save(tmp_path)
    code = (
        "import sys; from maccap.image.preprocessing import load_pixel_spec; "
        f"spec = load_pixel_spec({str(tmp_path)!r}); "
        "assert 'torch' not in sys.modules and 'open_clip' not in sys.modules; print(spec.size)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "32"


def test_spec_survives_saving(make_clip: Callable[..., FrozenClip], tmp_path: Path) -> None:
    clip = make_clip()
    clip.pixels = PixelSpec(32, "longest", "bilinear", 7, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
    clip.save(tmp_path)
    assert load_pixel_spec(str(tmp_path)) == clip.pixels
    assert FrozenClip.load(str(tmp_path)).pixels == clip.pixels


def test_spec_of_a_name() -> None:
    assert load_pixel_spec("ViT-B-32-quickgelu", "openai") == PixelSpec(224)
    assert load_pixel_spec("xlm-roberta-base-ViT-B-32", "laion5b_s13b_b90k") == PixelSpec(224)


def test_unknown_name_and_missing_config_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="list_models"):
        load_pixel_spec("ViT-Q-99")
    with pytest.raises(FileNotFoundError, match=r"open_clip_config\.json is missing"):
        load_pixel_spec(str(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{")
    with pytest.raises(ValueError, match="not valid JSON"):
        load_pixel_spec(str(tmp_path))


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        PixelSpec.from_open_clip((224, 336), {})
