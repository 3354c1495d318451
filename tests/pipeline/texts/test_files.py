import http.server
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.files import caption_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.txt",
        "a.JSON.gz",
        "deep/c.csv",
        "photo.jpg",
        ".hidden.txt",
        ".git/x.txt",
        "deep/._c.csv",
    ):
        path = tmp_path / "captions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("A dog.\n")
    return tmp_path / "captions"


def _names(root: Path, *sources: str) -> list[str]:
    return [
        file.name.removeprefix(f"{root}/") for file in caption_files([f"{root}/{s}" for s in sources]).files
    ]


def test_a_folder_stands_for_its_caption_files(folder: Path) -> None:
    assert _names(folder, "") == ["a.JSON.gz", "b.txt", "deep/c.csv"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["a.JSON.gz", "b.txt"]),
        ("**/*.csv", ["deep/c.csv"]),
        ("{b.txt,deep/*}", ["b.txt", "deep/c.csv"]),
        ("[a-b].*", ["a.JSON.gz", "b.txt"]),
    ],
)
def test_patterns(folder: Path, pattern: str, names: list[str]) -> None:
    assert _names(folder, pattern) == names


def test_several_sources_keep_their_order_and_each_file_comes_once(folder: Path) -> None:
    assert _names(folder, "deep", "b.txt", "*", "deep/c.csv") == ["deep/c.csv", "b.txt", "a.JSON.gz"]


def test_endings_tell_the_format(folder: Path) -> None:
    assert [(file.ending, file.packed) for file in caption_files([str(folder)]).files] == [
        (".json", True),
        (".txt", False),
        (".csv", False),
    ]
    (folder / "x.tgz").touch()
    assert [(file.ending, file.packed) for file in caption_files([f"{folder}/x.tgz"]).files] == [
        (".tar", True)
    ]


def test_a_name_with_pattern_characters_that_exists_is_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "a{1}[x].txt").touch()
    assert _names(tmp_path, "a{1}[x].txt") == ["a{1}[x].txt"]


def test_an_object_store() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/texts/b.txt": b"A dog.\n", "/texts/a.txt": b"A cat.\n"})
    files = caption_files(["memory://texts"]).files
    assert [file.name for file in files] == ["memory:///texts/a.txt", "memory:///texts/b.txt"]
    assert [file.filesystem.cat_file(file.path) for file in files] == [b"A cat.\n", b"A dog.\n"]
    memory.rm("/texts", recursive=True)


def test_the_inside_of_archives(tmp_path: Path) -> None:
    sources = []
    for name in ("one", "two"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.writestr("a.txt", f"{name}\n")
        sources.append(f"zip://*.txt::{tmp_path}/{name}.zip")
    files = caption_files(sources).files
    assert [file.name for file in files] == [source.replace("*", "a") for source in sources]
    assert [file.filesystem.cat_file(file.path) for file in files] == [b"one\n", b"two\n"]


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


def test_a_web_address_with_a_query(server: str) -> None:
    (file,) = caption_files([f"{server}/b.txt?download=1"]).files
    assert file.ending == ".txt"
    with file.filesystem.open(file.path, "rb") as stream:
        assert stream.read() == b"A dog.\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.txt", "nowhere.txt does not exist"),
        ("x-*.txt", "matches no caption file"),
        ("b.txt{", "brace"),
        ("{b.txt,nowhere.txt}", "nowhere.txt, which does not exist"),
        ("photo.jpg", "has the extension .jpg, so that its format is not known. Understood are .txt, .json"),
        ("none", "has no extension"),
        ("empty", "is a folder without caption files"),
        ("nofs://bucket/x.txt", "cannot be listed"),
    ],
)
def test_a_mistake_is_named(folder: Path, source: str, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "none").touch()
    with pytest.raises(UserError) as error:
        caption_files([source if "://" in source else f"{folder}/{source}"])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
