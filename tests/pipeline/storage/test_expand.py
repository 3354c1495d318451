"""What a person names: the same for images and for caption texts."""

from pathlib import Path

import pytest

from pipeline.storage.errors import UserError
from pipeline.storage.expand import expand, is_pattern


def _named(argument: str) -> list[tuple[str, str]]:
    return [(named.kind, named.url) for named in expand(argument, "SOURCE").named]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.tar", "b.tar", "odd[1].tar"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_a_file_and_a_folder_are_asked_for(folder: Path) -> None:
    assert _named(f"{folder}/a.tar") == [("file", f"{folder}/a.tar")]
    assert _named(str(folder)) == [("folder", str(folder))]
    assert expand(str(folder), "SOURCE").alone
    assert expand(str(folder), "SOURCE").base == f"{folder}/"
    with pytest.raises(UserError, match=r"CAPTIONS .*c\.tar does not exist"):
        expand(f"{folder}/c.tar", "CAPTIONS")


def test_braces_are_written_out_and_not_asked_for(folder: Path) -> None:
    found = expand(f"{folder}/{{a,z}}.tar", "SOURCE")
    assert [(n.kind, n.url) for n in found.named] == [
        ("unseen", f"{folder}/a.tar"),
        ("unseen", f"{folder}/z.tar"),
    ]
    assert found.base == f"{folder}/"
    assert not found.alone
    assert _named(f"{folder}/{{a,b}}*.tar") == [("pattern", f"{folder}/{x}*.tar") for x in "ab"]
    with pytest.raises(UserError, match="opening brace without a closing one"):
        expand(f"{folder}/{{a", "SOURCE")


def test_a_name_that_exists_is_no_pattern(folder: Path) -> None:
    assert _named(f"{folder}/odd[1].tar") == [("file", f"{folder}/odd[1].tar")]
    assert is_pattern(f"{folder}/odd[2].tar")
    assert not is_pattern("https://host/a?b=*")
    assert is_pattern("https://host/{0..9}.tar")


def test_a_list_names_paths_beside_it_urls_and_patterns(folder: Path) -> None:
    (folder / "list.txt").write_text("\ufeff# mine\na.tar\n\n*.tar\nS3://bucket/x.tar\n/other/y.tar\n")
    found = expand(f"@{folder}/list.txt", "SOURCE").named
    assert [(n.kind, n.url) for n in found] == [
        ("unseen", f"{folder}/a.tar"),
        ("pattern", f"{folder}/*.tar"),
        ("unseen", "s3://bucket/x.tar"),
        ("unseen", "/other/y.tar"),
    ]
    assert found[0].written == f"@{folder}/list.txt names a.tar"


def test_several_with_colons_between(folder: Path) -> None:
    assert [kind for kind, _ in _named(f"{folder}/a.tar::{folder}/*.tar")] == ["unseen", "pattern"]


def test_a_web_server_is_not_asked_for_a_file_that_its_name_tells() -> None:
    found = expand("http://192.0.2.1/a.tar?x=1", "SOURCE", lambda url: True)
    assert [(n.kind, n.url) for n in found.named] == [("file", "http://192.0.2.1/a.tar?x=1")]
    assert found.base == "http://192.0.2.1/"


def test_marks_of_lists_in_the_names_of_folders_are_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("@data", "a::b"):
        (folder / name).mkdir()
        (folder / name / "x.json").write_text("[]")
    monkeypatch.chdir(folder)
    assert _named("@data/*.json") == [("pattern", "@data/*.json")]
    assert _named("a::b/*.json") == [("pattern", "a::b/*.json")]
    assert _named("a::b/x.json") == [("file", "a::b/x.json")]


def test_a_list_that_is_not_there_and_one_that_is_long(folder: Path) -> None:
    with pytest.raises(UserError, match=r"CAPTIONS @.*none\.txt does not exist"):
        expand(f"@{folder}/none.txt", "CAPTIONS")
    assert len(_named("::".join([f"{folder}/a.tar"] * 500))) == 500
