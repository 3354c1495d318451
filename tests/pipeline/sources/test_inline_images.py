import base64

import pytest

from pipeline.sources.inline_images import embedded_image, embedded_size, is_embedded
from tests.images import encoded, picture

KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")


@pytest.mark.parametrize("kind", KINDS)
def test_images_as_base64_of_any_writer(kind: str) -> None:
    image = encoded(picture(), kind)
    text = base64.b64encode(image).decode()
    for written in (
        text,
        text.rstrip("="),
        base64.encodebytes(image).decode(),
        base64.urlsafe_b64encode(image).decode(),
        f"data:image/{kind.lower()};base64,{text}",
        f"data:;base64,{text.replace('+', '%2B')}",
    ):
        assert is_embedded(written)
        assert embedded_image(written) == image
        assert embedded_size(written) >= len(image) - 2


def test_names_are_no_images() -> None:
    long = "train2017" * 20
    for name in (
        "a.jpg",
        "/9j/a.jpg",
        "photos/0001",
        long,
        f"{long}.jpg",
        f"/9j/{long}.png",
        "https://h/iVBORw0KGgo" * 5,
    ):
        assert not is_embedded(name)


def test_what_is_no_base64_after_all_is_an_error() -> None:
    for text in ("data:image/png", "data:image/png;base64,####", "data:;base64,abcde"):
        assert is_embedded(text)
        with pytest.raises(ValueError, match=r"comma|base64|encoded|padding"):
            embedded_image(text)
    assert embedded_image("data:image/svg+xml,%3Csvg%3E") == b"<svg>"
