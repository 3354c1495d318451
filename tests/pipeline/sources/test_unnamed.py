"""Images under any name, in folders and tars. For extensions.py and unnamed.py too."""

import os
from pathlib import Path

import pytest

from maccap.image.preprocessing import PixelSpec
from pipeline.sources import plan_source, read_shard
from pipeline.stages.decoding.decode_image import UndecodableError, decode_image
from pipeline.storage.errors import UserError
from pipeline.storage.files import locate
from tests.faulty_proxy import FaultyProxy
from tests.images import encoded, picture, write_tar

PLUGINS = {"HEIF": "pillow_heif.HeifImagePlugin", "JXL": "pillow_jxl.JpegXLImagePlugin"}
FORMATS = {
    "jpg": "JPEG",
    "png": "PNG",
    "apng": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "avif": "AVIF",
    "heic": "HEIF",
    "jxl": "JXL",
    "jp2": "JPEG2000",
    "tif": "TIFF",
    "bmp": "BMP",
    "dib": "DIB",
    "ico": "ICO",
    "tga": "TGA",
    "ppm": "PPM",
    "mpo": "MPO",
}


def _content(kind: str) -> bytes:
    if kind in PLUGINS:
        pytest.importorskip(PLUGINS[kind])
    return encoded(picture(7, 64, 64), kind)


def _ids(source: Path) -> dict[str, str | None]:
    """Image ids, each with why it cannot be captioned."""
    rows: dict[str, str | None] = {}
    for shard in plan_source(str(source)).shards:
        for sample in read_shard(shard):
            assert sample.image_id not in rows
            rows[sample.image_id] = sample.error
            if sample.load is not None:
                try:
                    decode_image(sample.load(), PixelSpec(32))
                except UndecodableError as error:
                    rows[sample.image_id] = str(error)
    return rows


@pytest.mark.parametrize("name", ["right", "wrong", "strange", "without"])
@pytest.mark.parametrize("extension", FORMATS)
def test_each_format_under_any_name(tmp_path: Path, extension: str, name: str) -> None:
    data = _content(FORMATS[extension])
    wrong = "png" if extension == "jpg" else "jpg"
    file = {
        "right": f"a.{extension}",
        "wrong": f"a.{wrong}",
        "strange": f"a.{extension}_large",
        "without": "a",
    }
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / file[name]).write_bytes(data)
    assert _ids(folder) == {file[name]: None}
    write_tar(tmp_path / "t.tar", [(file[name], data)])
    assert _ids(tmp_path / "t.tar") == {"t/a": None}


NO_IMAGES = {
    "LICENSE": b"Permission is hereby granted, free of charge",
    "Makefile": b"all:\n\techo P1 is no bitmap\n",
    "photo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "photo.nef": b"II*\0" + bytes(500),
    "clip.mp4": b"\0\0\0\x18ftypmp42" + bytes(100),
    "train-images-idx3-ubyte": bytes([0, 0, 8, 3, 0, 0, 234, 96, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(784),
    "vectors.npy": b"\x93NUMPY" + bytes(100),
    "empty": b"",
    "Thumbs.db": b"\xd0\xcf\x11\xe0" + bytes(100),
}


def test_what_is_no_image_is_left_out_of_a_folder_and_counted(tmp_path: Path) -> None:
    for name, data in NO_IMAGES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "0123456789abcdef").write_bytes(encoded(picture(0)))
    os.mkfifo(tmp_path / "pipe")
    plan = plan_source(str(tmp_path))
    assert plan.images == 1
    assert plan.left_out == {
        ".svg, a drawing: convert it to PNG": 1,
        ".nef, camera raw: convert it to JPEG": 1,
        ".mp4": 1,
        ".npy": 1,
        "without extension": 5,
        "hidden": 1,
    }


def test_a_folder_that_holds_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("A text, without an extension.")
    with pytest.raises(UserError, match=r"is empty: .* there are without extension \(1\)"):
        plan_source(str(tmp_path))


def test_a_nameless_file_that_becomes_an_image_changes_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(picture(0)))
    (tmp_path / "b").write_bytes(b"not yet" * 20)
    (planned,) = plan_source(str(tmp_path)).shards
    (tmp_path / "b").write_bytes(encoded(picture(1)))
    with pytest.raises(UserError, match="changed"):
        list(read_shard(planned))


def test_texts_belong_to_a_nameless_image_too(tmp_path: Path) -> None:
    (tmp_path / "4f2a").write_bytes(encoded(picture(0)))
    (tmp_path / "4f2a.json").write_text('{"number": 4}')
    (shard,) = plan_source(str(tmp_path)).shards
    (sample,) = read_shard(shard)
    assert sample.read_metadata is not None
    assert "4" in str(sample.read_metadata())


def test_members_of_a_tar_that_no_name_tells(tmp_path: Path) -> None:
    image, other = encoded(picture(0)), encoded(picture(1), "PNG")
    members = [
        ("LICENSE", NO_IMAGES["LICENSE"]),
        ("a.txt", b"a caption"),
        ("a.jpg_large", image),
        ("b.jpg", image),
        ("b.mask", other),  # beside an image by name it is none
        ("c", image),
        ("c.json", b"{}"),
        ("d.npy", b"\x93NUMPY" + bytes(100)),
        ("sub/photo.", image),
        ("sub/README", b"A text, and no picture."),
    ]
    rows = _ids(write_tar(tmp_path / "t.tar", members))
    assert rows == {
        "t/a": None,
        "t/b": None,
        "t/c": None,
        "t/d": "the sample holds no image, only: npy",
        "t/sub/photo": None,
    }


def test_nameless_images_of_an_object_store(tmp_path: Path, s3: FaultyProxy) -> None:
    filesystem, _ = locate("s3://bucket")
    for number in range(30):
        filesystem.pipe_file(f"bucket/nameless/{number:032x}", encoded(picture(number)))
        filesystem.pipe_file(f"bucket/nameless/note-{number}", b"a text of some length")
    plan = plan_source("s3://bucket/nameless")
    assert (plan.images, plan.left_out) == (30, {"without extension": 30})
    samples = [sample for shard in plan.shards for sample in read_shard(shard)]
    assert [sample.image_id for sample in samples] == [f"{number:032x}" for number in range(30)]
