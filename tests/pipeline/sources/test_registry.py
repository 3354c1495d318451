"""Also for shard.py, source.py, found_files.py and kept_features.py: shards in records, and who reads
what.
"""

import json
from pathlib import Path

import pytest

from pipeline.sources import plan_source, shard_from_json
from pipeline.sources.coco import CocoArgs
from pipeline.sources.folder import FolderArgs
from pipeline.sources.found_files import FoundFiles, locations_of
from pipeline.sources.kept_features import KeptArgs
from pipeline.sources.parquet import ParquetArgs
from pipeline.sources.registry import FILES, endings, recognised, source_of, whats
from pipeline.sources.shard import Shard
from pipeline.sources.source import Location
from pipeline.sources.webdataset import TarArgs
from pipeline.storage.errors import UserError
from tests.images import write_shard

# as version 0.1.0 recorded them: all fields of all sources, empty where they were another's
_OF_0_1_0 = {
    **{"first": "", "last": "", "root": "", "column": "", "limit": None, "keys": "auto", "size": 7},
    **{"prefix": "", "state": "x", "repeats": [], "confined": False},
}
RECORDS = {
    "webdataset": ({"keys": "last-dot", "prefix": "a"}, TarArgs("last-dot")),
    "parquet": ({"root": "/r/", "column": "image", "confined": True}, ParquetArgs("/r/", True, "image")),
    "coco": (
        {"first": "0", "last": "9", "root": "/r/", "column": "images", "repeats": [[3, 2]]},
        CocoArgs("/r/", False, "0", "9", "images", ((3, 2),)),
    ),
    "folder": ({"first": "a/b.jpg", "last": "c.jpg"}, FolderArgs("a/b.jpg", "c.jpg")),
    "captioned": ({"last": "4"}, KeptArgs("4")),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_shards_are_read_as_the_version_before_recorded_them(kind: str) -> None:
    given, args = RECORDS[kind]
    shard = shard_from_json(json.dumps({"id": "s", "kind": kind, "url": "/u", **_OF_0_1_0, **given}))
    assert shard == Shard("s", kind, "/u", args, size=7, state="x", prefix=given.get("prefix", ""))
    assert shard_from_json(shard.to_json()) == shard
    assert source_of(shard).name == kind


def test_a_shard_of_an_unknown_source_names_it() -> None:
    with pytest.raises(UserError, match="planned by the source 'lmdb'"):
        shard_from_json('{"id": "s", "kind": "lmdb", "url": "/u"}')


def test_files_are_recognised_by_their_names(tmp_path: Path) -> None:
    def name(url: str, **how: bool) -> str | None:
        source = recognised(Location(url, **how))
        return source.name if source else None

    assert name("/a/B.TAR.GZ") == name("https://h/x.tar?sig=1.json") == "webdataset"
    assert name("x.parquet") == "parquet"
    assert name("x.json") is None
    assert name("x.json", alone=True) == "coco"
    assert name("x.txt", alone=True) is None
    assert name(str(tmp_path), is_folder=True) == "folder"
    (tmp_path / "run.json").write_text("{}")
    assert name(str(tmp_path), is_folder=True) == "captioned"


def test_files_are_said_in_words() -> None:
    assert whats(in_folders=True).startswith("tar")
    assert all(source.what in whats(in_folders=False) for source in FILES)
    assert ("COCO JSON" in whats(in_folders=True)) is False
    assert ".tar" in endings()
    assert ".json" not in endings()


def test_ids_tell_files_apart(tmp_path: Path) -> None:
    urls = [f"{tmp_path}/{name}" for name in ("a/x.tar", "b/x.tar", "b/x.parquet")]
    for url in urls[:2]:
        Path(url).parent.mkdir()
        write_shard(Path(url), 1)
    locations = locations_of("SOURCE", FoundFiles(dict.fromkeys(urls)))
    assert [location.id for location in locations] == ["a/x.tar", "b/x.tar", "b/x.parquet"]
    assert [location.prefix for location in locations] == ["a/x", "b/x.tar", "b/x.parquet"]
    with pytest.raises(UserError, match="matches no tar"):
        locations_of("SOURCE", FoundFiles({f"{tmp_path}/none.tar": None}))


def test_files_that_are_a_source_by_themselves_say_so_in_a_pattern_or_list(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    (tmp_path / "list.txt").write_text("x.json\n")
    for source in (f"{tmp_path}/*.json", f"@{tmp_path}/list.txt"):
        with pytest.raises(UserError, match="A COCO JSON is a SOURCE by itself"):
            plan_source(source)
