"""Colours as a viewer shows them: by the profile that an image carries, in sRGB.

CLIP was trained on the numbers as they stand in files, and open_clip takes them so: a profile of RGB or
grey is not looked at, unless that is asked for. What numbers of CMYK mean, only a profile says.
"""

import io
from functools import lru_cache

from PIL import Image, ImageCms

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}  # of modes, as profiles name them


def in_srgb(image: Image.Image, embedded: bool) -> Image.Image:
    """`image` by its profile, if that is of CMYK or `embedded` ones are to be honoured; itself where it has
    none, or a damaged one, or one of another space.
    """
    profile = image.info.get("icc_profile")
    if not profile or not (embedded or image.mode == "CMYK"):
        return image
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    plain = image.convert(image.mode.removesuffix("A")) if alpha else image
    if plain.mode not in _SPACES:
        return image
    try:
        transform = _to_srgb(bytes(profile), plain.mode)
        shown = transform.apply(plain) if transform else None
    except (ImageCms.PyCMSError, OSError, ValueError):  # a damaged profile says nothing of the pixels
        shown = None
    if shown is None:
        return image
    if alpha:
        shown.putalpha(alpha)
    return shown


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where there is nothing to do: the profile is sRGB, or for other modes."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    if opened.profile.xcolor_space.strip() != _SPACES[mode]:
        return None
    if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(opened).lower():
        return None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    return ImageCms.ImageCmsTransform(opened, srgb, mode, "RGB")
