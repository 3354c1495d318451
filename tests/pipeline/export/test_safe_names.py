"""Names made of hostile ids stay in their folder, and are names everywhere."""

from pathlib import Path

import pytest

from pipeline.export.safe_names import flat_name, safe_key, safe_path

HOSTILE = (
    "../../etc/passwd", "/abs/olute", "..", ".", "", "/", "a/../../b", "..\\..\\x", "C:\\x", "x\0y\nz",
    ".hidden/x", "~/x", "é" * 500, "a/" * 200 + "b", " / ", "...", "con:*?<>|\"'`", "\u202egnp",
    "__x__/y", "a/__b", "\0\0x", "..__x", " __x", "a/.b",
)  # fmt: skip


@pytest.mark.parametrize("image_id", HOSTILE)
def test_hostile_ids(image_id: str, tmp_path: Path) -> None:
    for name in (f"{safe_key(image_id)}.jpg", f"{flat_name(image_id)}.jpg", safe_path(image_id)):
        assert (tmp_path / name).resolve().is_relative_to(tmp_path)
        assert not name.startswith(("/", "."))
        assert name.isprintable()
        assert max(len(part.encode()) for part in name.split("/")) <= 255
    for name in (safe_key(image_id), safe_path(image_id)):
        assert not [part for part in name.split("/") if part.startswith(("__", "."))]
    assert "." not in safe_key(image_id)
    assert "/" not in flat_name(image_id)


def test_plain_ids_are_kept() -> None:
    assert safe_key("photos/00001") == "photos/00001"
    for kept in ("_x", "a__b", "it's 50% & more!;", "नमस्ते", "cafe\u0301", "x" * 200):
        assert safe_key(kept) == kept
    assert safe_path("b/scenes-{000}.v2.tar") == "b/scenes-_000_.v2.tar"


def test_long_names_stay_apart() -> None:
    assert flat_name("x" * 500) != flat_name("x" * 501)
    long = "a" * 120 + "." + "b" * 120
    assert len(safe_path(long)) == 200
    assert safe_path(long) != safe_path(long + ".c")
