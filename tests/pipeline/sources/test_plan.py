import zipfile
from pathlib import Path

import pytest

from pipeline.sources.plan import plan_source, read_shard
from pipeline.storage.errors import UserError
from tests.images import encoded, picture, write_shard


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for number in range(3):
        write_shard(tmp_path / "tars" / f"s-{number:03d}.tar", 1)
    write_shard(tmp_path / "tars" / "more" / "s-000.tar", 1)
    return tmp_path / "tars"


def _ids(source: object) -> list[str]:
    return [shard.id for shard in plan_source(str(source)).shards]


def test_one_tar(tars: Path) -> None:
    assert _ids(tars / "s-001.tar") == ["s-001.tar"]


def test_a_folder_of_tars_with_its_subfolders(tars: Path) -> None:
    assert _ids(f"{tars}/") == ["more/s-000.tar", "s-000.tar", "s-001.tar", "s-002.tar"]
    assert _ids(tars.parent) == ["tars/more/s-000.tar", *(f"tars/s-{n:03d}.tar" for n in range(3))]


@pytest.mark.parametrize("pattern", ["s-{000..002}.tar", "s-*.tar", "s-00[0-2].tar", "s-{000,001,002}.tar"])
def test_patterns(tars: Path, pattern: str) -> None:
    assert _ids(tars / pattern) == ["s-000.tar", "s-001.tar", "s-002.tar"]


def test_a_shard_missing_from_a_range_stays_a_shard(tars: Path) -> None:
    assert _ids(tars / "s-{001..004}.tar") == [f"s-00{n}.tar" for n in range(1, 5)]


def test_ids_do_not_depend_on_where_the_archive_lies(tars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = _ids(tars)
    monkeypatch.chdir(tars.parent)
    assert _ids("tars") == absolute
    assert _ids(f"file://{tars}") == absolute
    tars.rename(tars.parent / "moved")
    assert _ids("moved") == absolute


def test_a_name_with_pattern_characters_that_exists_is_taken_literally(tmp_path: Path) -> None:
    write_shard(tmp_path / "a{1}[x].tar", 1)
    assert _ids(tmp_path / "a{1}[x].tar") == ["a{1}[x].tar"]


def test_a_folder_of_images_knows_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(picture(number)))
    monkeypatch.setattr("pipeline.sources.folder.FILES_A_SHARD", 2)
    plan = plan_source(str(tmp_path))
    assert (len(plan.shards), plan.images) == (3, 5)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "does not exist"),
        ("tars/x-*.tar", "matches no tar"),
        ("tars/x-{0..3}.tar", "matches no tar"),
        ("tars/x-{0..3.tar", "brace"),
        ("empty", "is empty: no tar"),
        ("coco", "there are .json (1)). A COCO JSON is a SOURCE by itself: give one of them."),
        ("text.txt", "is a file, but no tar"),
        ("@text.txt", "must be a tar or Parquet file on every line"),
        ("nofs://bucket/x.tar", "cannot be listed"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, tars: Path, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "instances.json").write_text('{"images": []}')
    (tmp_path / "text.txt").write_text("hello")
    at, path = source[: source.startswith("@")], source.removeprefix("@")
    with pytest.raises(UserError) as error:
        plan_source(source if "://" in source else f"{at}{tmp_path / path}")
    assert message in str(error.value)
    assert path.split("/")[-1] in str(error.value)


def test_a_list_in_a_file(tars: Path) -> None:
    text = "# two of them\n\ns-002.tar\n" + f"{tars}/more/s-000.tar\ns-002.tar\n"
    (tars / "list.txt").write_text(text)
    plan = plan_source(f"@{tars}/list.txt")
    assert [shard.id for shard in plan.shards] == ["s-002.tar", "more/s-000.tar"]
    assert [shard.url for shard in plan.shards] == [f"{tars}/s-002.tar", f"{tars}/more/s-000.tar"]


def test_signed_urls_are_read_with_their_secret_and_named_without(tmp_path: Path) -> None:
    signed = [f"https://me:pass@127.0.0.1:9/a/x-{n}.tar?X-Amz-Signature=5ec4e7&part={n}" for n in range(2)]
    (tmp_path / "list.txt").write_text("\n".join(signed))
    plan = plan_source(f"@{tmp_path}/list.txt")
    assert [shard.url for shard in plan.shards] == signed
    assert [shard.id for shard in plan.shards] == ["x-0.tar?part=0", "x-1.tar?part=1"]
    (tmp_path / "list.txt").write_text("https://127.0.0.1:9/a.tar?key=1\nhttps://127.0.0.1:9/a.tar?key=2")
    with pytest.raises(UserError, match=r"2 shards named a\.tar"):
        plan_source(f"@{tmp_path}/list.txt")


def test_what_lies_in_an_archive_of_another_kind_is_read_through_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a", "b"):
            write_shard(tmp_path / f"{name}.tar", 1)
            archive.write(tmp_path / f"{name}.tar", f"tars/{name}.tar")
        archive.writestr("images/0.jpg", encoded(picture(0)))
    for inside, shards in (("images", 1), ("tars", 2), ("tars/*.tar", 2)):
        plan = plan_source(f"zip://{inside}::file://{tmp_path}/x.zip")
        assert len(plan.shards) == shards
        assert all(sample.error is None for shard in plan.shards for sample in read_shard(shard))


def test_a_file_without_a_known_name_that_is_written_out_is_a_tar(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", 1)
    write_shard(tmp_path / "noext", 1)
    plan = plan_source(f"{tmp_path}/{{a.tar,noext}}")
    assert [shard.source for shard in plan.shards] == ["webdataset"] * 2
