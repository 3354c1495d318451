"""The official files are found where people have them."""

from pathlib import Path

from pipeline.experiments.data_files import FLICKR30K_IMAGES, DataFile

FILE = DataFile(("splits.json", "the_splits.json"), "its page")


def _written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


def test_the_usual_name_is_found_first_and_then_the_nearest_to_the_top(tmp_path: Path) -> None:
    assert FILE.find(tmp_path) is None
    _written(tmp_path / "a" / "b" / "c" / "splits.json")
    assert FILE.find(tmp_path) is None
    other = _written(tmp_path / "the_splits.json")
    assert FILE.find(tmp_path) == other
    deep = _written(tmp_path / "a" / "b" / "splits.json")
    assert FILE.find(tmp_path) == deep
    near = _written(tmp_path / "z" / "splits.json")
    assert FILE.find(tmp_path) == near


def test_what_is_empty_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "splits.json").touch()
    (tmp_path / "flickr30k-images").mkdir()
    assert FILE.find(tmp_path) is None
    assert FLICKR30K_IMAGES.find(tmp_path) is None
    _written(tmp_path / "flickr30k" / "images" / "1.jpg")
    assert FLICKR30K_IMAGES.find(tmp_path) == tmp_path / "flickr30k" / "images"
