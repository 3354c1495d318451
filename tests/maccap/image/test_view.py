"""What CLIP sees of an image, and boxes of it in the image."""

import pytest

from maccap.image.view import Box, in_image, view_of


def test_what_clip_sees_of_an_image() -> None:
    assert view_of(200, 100, "shortest") == (0.25, 0, 0.5, 1)
    assert view_of(200, 100, "longest") == (0, -0.5, 1, 2)
    assert view_of(200, 100, "squash") == (0, 0, 1, 1)


def test_crop_and_padding_are_undone() -> None:
    quarter = Box(0.5, 0, 0.5, 0.5)
    assert in_image(quarter, view_of(200, 100, "shortest")) == (0.5, 0, 0.25, 0.5)
    assert in_image(quarter, view_of(200, 100, "squash")) == quarter
    assert in_image(quarter, view_of(100, 200, "longest")) == (0.5, 0, 0.5, 0.5)
    assert in_image(Box(0, 0, 0.25, 1), view_of(100, 200, "longest")).width == pytest.approx(0)
