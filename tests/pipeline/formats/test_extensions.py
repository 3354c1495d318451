import pytest

from pipeline.formats.extensions import is_image, is_known, is_text, kind_of, shows_an_image
from tests.images import encoded, picture


@pytest.mark.parametrize("name", ["jpg", "mask.png", "tiff"])
def test_images(name: str) -> None:
    assert is_image(name)
    assert is_known(name)
    assert not is_text(name)


def test_texts_and_others() -> None:
    assert is_text("caption.txt")
    assert is_known("parquet")
    assert not is_known("jpg_large")


def test_what_is_passed_over_is_said_by_its_kind() -> None:
    assert kind_of("README") == kind_of(".x") == "without extension"
    assert kind_of("a.DOCX") == ".docx"
    assert kind_of("a.cr2") == ".cr2, camera raw: convert it to JPEG"
    assert kind_of("a.svg") == ".svg, a drawing: convert it to PNG"
    assert len(kind_of("a." + "x" * 99)) == 20


def test_content_tells_where_a_name_does_not() -> None:
    assert shows_an_image(encoded(picture(0))[:64])
    assert not shows_an_image(b"<!DOCTYPE html><html>" + bytes(40))
