"""Archives and run folders in S3, over HTTP, with a storage that fails now and then."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.chunk import Chunk
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.completed_chunks import unfinished
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import ChunkLimits, Shard, chunk_samples, plan_source, read_shard
from pipeline.stages.write import CaptionWriter
from pipeline.storage.errors import CredentialsError
from pipeline.storage.files import locate
from pipeline.storage.retries import storage
from tests.captions import CAPTION_SCHEMA
from tests.faulty_proxy import Faults, FaultyProxy
from tests.images import write_shard


def _upload(folder: Path, prefix: str) -> None:
    filesystem, _ = locate("s3://bucket")
    for path in sorted(folder.iterdir()):
        filesystem.pipe_file(f"bucket/{prefix}/{path.name}", path.read_bytes())


@pytest.fixture
def archive(tmp_path: Path, s3: FaultyProxy) -> str:
    for number in range(20):
        write_shard(tmp_path / "tars" / f"s-{number:03d}.tar", 3, 10 * number)
    _upload(tmp_path / "tars", "tars")
    return "s3://bucket/tars/s-{000..019}.tar"


def _captionless(chunk: Chunk) -> Chunk:
    samples = chunk.samples.to_pylist()
    rows = [{name: row.get(name) for name in CAPTION_SCHEMA.names} for row in samples]
    return chunk.with_samples(CAPTION_SCHEMA.empty_table().from_pylist(rows, CAPTION_SCHEMA))


def _copy(source: str, output: str) -> None:
    """Read all of a source into a caption table without captions."""
    write = CaptionWriter(output, {}, CAPTION_SCHEMA)
    for shard in plan_source(source).shards:
        for chunk in chunk_samples(shard.id, read_shard(shard), ChunkLimits(2)):
            write(_captionless(chunk))


def test_every_row_once_through_a_storage_that_fails(s3: FaultyProxy, archive: str) -> None:
    s3.faults = Faults(slow_down=0.08, cut=0.05, late=0.1, late_seconds=0.3)
    _copy(archive, "s3://bucket/through-faults/captions")
    assert all(s3.counts[fault] for fault in ("slow_down", "cut", "late")), s3.counts
    folder = RunFolder("s3://bucket/through-faults")
    assert unfinished([shard.id for shard in plan_source(archive).shards], folder.written()) == []
    rows: Counter[tuple[str, str | None]] = Counter()
    for name in folder.captions.names():
        with folder.captions.open(name) as file:
            rows.update((row["image_id"], row["error"]) for row in pq.read_table(file).to_pylist())
    assert rows == Counter((f"s-{shard:03d}/{n:05d}", None) for shard in range(20) for n in range(3))


def _rows(shard: Shard) -> list[tuple[str, str | None]]:
    chunks = chunk_samples(shard.id, read_shard(shard), ChunkLimits())
    return [(row["image_id"], row["error"]) for chunk in chunks for row in chunk.samples.to_pylist()]


def test_a_storage_that_does_not_recover_is_one_error_row(
    s3: FaultyProxy, archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "attempts", 3)
    shard = plan_source(archive).shards[0]
    s3.faults = Faults(refuse_after=s3.counts["requests"])
    ((image_id, error),) = _rows(shard)
    assert image_id == "s-000.tar"
    assert "tried 3 times" in (error or "")


def test_what_is_forbidden_or_gone_is_an_error_row_at_once(s3: FaultyProxy, archive: str) -> None:
    shards = plan_source(archive.replace("019", "020")).shards
    before = s3.counts["requests"]
    ((_, error),) = _rows(shards[20])
    assert "s-020.tar cannot be read: " in (error or "")
    s3.faults = Faults(refuse_after=s3.counts["requests"], refusal=(403, "AccessDenied"))
    ((_, error),) = _rows(shards[0])
    assert "AccessDenied" in (error or "")
    assert s3.counts["requests"] - before < 10


def test_expired_credentials_end_the_run_instead_of_every_shard(s3: FaultyProxy, archive: str) -> None:
    shard = plan_source(archive).shards[0]
    s3.faults = Faults(refuse_after=s3.counts["requests"], refusal=(400, "ExpiredToken"))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        _rows(shard)
    s3.faults = Faults()
    assert len(_rows(shard)) == 3


@pytest.fixture
def named(tmp_path: Path, s3: FaultyProxy) -> Shard:
    """A table in S3 of images there by path and by URL, an empty and a missing one among them."""
    folder = tmp_path / "named"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.jpg").write_bytes(b"%d" % number if number else b"")
    names = ["s3://bucket/named/0.jpg", *(f"{number}.jpg" for number in range(1, 41))]
    pq.write_table(pa.table({"path": names}), folder / "x.parquet")
    _upload(folder, "named")
    (shard,) = plan_source("s3://bucket/named/x.parquet").shards
    return shard


def test_images_by_path_are_read_at_once_through_a_storage_that_fails(s3: FaultyProxy, named: Shard) -> None:
    s3.faults = Faults(slow_down=0.05, cut=0.05)
    (chunk,) = chunk_samples(named.id, read_shard(named), ChunkLimits())
    assert s3.counts["slow_down"]
    assert chunk.samples["image"].to_pylist() == [b"", *(b"%d" % number for number in range(1, 40)), None]
    assert [error is None for error in chunk.samples["error"].to_pylist()] == [True] * 40 + [False]


def test_expired_credentials_end_the_reading_of_images_by_path(s3: FaultyProxy, named: Shard) -> None:
    samples = list(read_shard(named))
    s3.faults = Faults(refuse_after=s3.counts["requests"], refusal=(400, "ExpiredToken"))
    with pytest.raises(CredentialsError, match="ExpiredToken"):
        list(chunk_samples(named.id, samples, ChunkLimits()))


def test_a_tar_is_read_in_blocks_and_resumed_inside_a_member(
    s3: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.storage.files.BLOCK", 4096)
    write_shard(tmp_path / "tars" / "big.tar", 30)
    _upload(tmp_path / "tars", "one")
    (local,) = plan_source(str(tmp_path / "tars" / "big.tar")).shards
    (remote,) = plan_source("s3://bucket/one/big.tar").shards
    s3.faults = Faults(cut=0.3)
    expected = [sample.load() for sample in read_shard(local) if sample.load]
    assert [sample.load() for sample in read_shard(remote) if sample.load] == expected
    assert s3.counts["cut"] > 1


def test_captions_from_s3_to_s3_are_those_of_the_disk(
    s3: FaultyProxy, small_bundle: Path, tmp_path: Path
) -> None:
    write_shard(tmp_path / "tars" / "s-0.tar", 4)
    _upload(tmp_path / "tars", "few")
    tables = []
    for place in (str(tmp_path), "s3://bucket"):
        source = f"{place}/tars/s-0.tar" if place == str(tmp_path) else f"{place}/few/s-0.tar"
        output, config = f"{place}/captioned", CaptionJobConfig(chunk_rows=3)
        bundle, plan = open_bundle(str(small_bundle)), plan_source(source)
        facts = run_facts(source, plan, str(small_bundle), bundle, config, "float32")
        folder = RunFolder(output)
        folder.begin(facts)
        folder.pin(plan.shards)
        stages = CaptionStages(output, bundle.pixel_spec(), facts, config)
        list(caption_in_process(stages, [ShardWork(shard) for shard in plan.shards]))
        tables.append({name: folder.captions.read(name) for name in folder.captions.names()})
    assert tables[0] == tables[1]
    assert len(tables[0]) == 2


def test_a_new_run_is_recorded_by_one_of_several(s3: FaultyProxy) -> None:
    first, second = RunFolder("s3://bucket/race").top, RunFolder("s3://bucket/race").top
    assert first.create("run.json", b"mine")
    assert not second.create("run.json", b"yours")
    assert second.create("run.json", b"mine")
    assert first.read("run.json") == b"mine"


ODD = [
    "//a.jpg",
    "/b",
    "/b/c.jpg",
    "/x[1].jpg",
    "/q?.jpg",
    "/s*.jpg",
    "/h#1.jpg",
    "/p%20+.jpg",
    "/{d}.jpg",
    "/.c/e.jpg",
]


def test_a_folder_of_odd_keys_is_read_truly(s3: FaultyProxy) -> None:
    filesystem, _ = locate("s3://bucket")
    for key in ODD:
        filesystem.pipe_file(f"bucket/odd{key}", key.encode())
    plan = plan_source("s3://bucket/odd")
    read = {s.image_id: s.load() for shard in plan.shards for s in read_shard(shard) if s.load}
    assert read == {key[1:]: key.encode() for key in ODD if key not in ("/b", "/.c/e.jpg")}
    assert plan.left_out == {"hidden": 1, "without extension": 1}


def test_a_key_named_singly_is_no_pattern(s3: FaultyProxy, tmp_path: Path) -> None:
    filesystem, _ = locate("s3://bucket")
    names = ["t[1].tar", "t1.tar", "u*.tar", "u?.tar", "uv.tar"]
    tar = write_shard(tmp_path / "x.tar", 1).read_bytes()
    for name in names:
        filesystem.pipe_file(f"bucket/single/{name}", tar)
    for name in names:
        assert [shard.id for shard in plan_source(f"s3://bucket/single/{name}").shards] == [name]
    assert len(plan_source("s3://bucket/single/*.tar").shards) == 5
