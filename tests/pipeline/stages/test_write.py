import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.chunk import Chunk
from pipeline.run.completed_chunks import WrittenChunks
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import table_schema
from pipeline.stages.write import RUN_KEY, CaptionWriter, ChunkFooter, WriteResult, read_footer
from pipeline.storage.errors import CredentialsError, RunError
from pipeline.storage.folder import Folder
from pipeline.storage.retries import storage
from tests.captions import CAPTION_SCHEMA
from tests.faulty_proxy import Faults, FaultyProxy

FACTS = {"seed": 0, "version": "1"}


def _chunk(**changes: object) -> Chunk:
    row = {
        "image_id": "a",
        "shard": "s.tar",
        "index": 0,
        "width": 10,
        "height": 20,
        "caption": "a dog",
        "clip_score": 0.5,
        "candidates": [{"text": "a dog", "clip_score": 0.5, "logprob": -1.0}],
        "metadata": '{"n": 1}',
    }
    bad = {"image_id": "b", "shard": "s.tar", "index": 1, "error": "bad"}
    in_any_order = pa.schema(reversed(list(CAPTION_SCHEMA)))
    samples = pa.Table.from_pylist([row, bad], in_any_order)
    return Chunk(**{"shard": "s.tar", "position": 3, "last": True, "samples": samples, **changes})


def test_a_chunk_becomes_one_file_and_a_result(tmp_path: Path) -> None:
    chunk = _chunk()
    result = CaptionWriter(str(tmp_path), FACTS, CAPTION_SCHEMA)(chunk)
    (path,) = tmp_path.iterdir()
    assert path.name == chunk.file_name
    table = pq.read_table(path)
    assert table.schema.remove_metadata() == CAPTION_SCHEMA
    assert table.to_pylist()[0]["candidates"] == [{"text": "a dog", "clip_score": 0.5, "logprob": -1.0}]
    assert table["error"].to_pylist() == [None, "bad"]
    assert json.loads(table.schema.metadata[RUN_KEY]) == FACTS
    assert (result.rows, result.errors, result.bytes) == (2, 1, path.stat().st_size)
    assert WriteResult.from_json(result.to_json()) == result


def test_the_footer_tells_a_resume_what_it_needs(tmp_path: Path) -> None:
    chunk = _chunk()
    CaptionWriter(str(tmp_path), FACTS, CAPTION_SCHEMA)(chunk)
    assert read_footer(Folder(str(tmp_path)), chunk.file_name) == ChunkFooter(2, 1, True, range(2))


def test_flags_are_counted_in_the_footer_and_over_files(tmp_path: Path) -> None:
    schema = table_schema(stages_of(("caption",), {"flags"}))
    rows = [{"flags": flags} for flags in (["cut"], ["short", "cut"], [], None)]
    of_files = [[rows[0], rows[2]], [rows[1], rows[3]], []]
    written = WrittenChunks()
    for position, of_file in enumerate(of_files):
        chunk = _chunk(position=position, samples=pa.Table.from_pylist(of_file, schema))
        CaptionWriter(str(tmp_path), FACTS, schema)(chunk)
        written.add("s", position, read_footer(Folder(str(tmp_path)), chunk.file_name))
    assert written.flags == {"cut": 2, "short": 1}
    assert read_footer(Folder(str(tmp_path)), chunk.file_name).flags == {}


def test_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    chunk = _chunk()
    write = CaptionWriter(str(tmp_path), FACTS, CAPTION_SCHEMA)
    write(chunk)
    first = (tmp_path / chunk.file_name).read_bytes()
    pieces = pa.concat_tables([chunk.samples.slice(0, 1), chunk.samples.slice(1)])
    CaptionWriter(str(tmp_path), dict(reversed(FACTS.items())), CAPTION_SCHEMA)(chunk.with_samples(pieces))
    assert (tmp_path / chunk.file_name).read_bytes() == first


def test_a_damaged_file_counts_as_not_written(tmp_path: Path) -> None:
    chunk = _chunk()
    CaptionWriter(str(tmp_path), FACTS, CAPTION_SCHEMA)(chunk)
    path = tmp_path / chunk.file_name
    path.write_bytes(path.read_bytes()[:-9])
    assert read_footer(Folder(str(tmp_path)), path.name) is None
    pq.write_table(pa.table({"someone": ["else's"]}), path)
    assert read_footer(Folder(str(tmp_path)), path.name) is None


def test_a_storage_that_does_not_answer_is_no_damaged_file(
    s3: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk, folder = _chunk(), Folder("s3://bucket/footers")
    CaptionWriter(folder.url, FACTS, CAPTION_SCHEMA)(chunk)
    folder.write("damaged.parquet", folder.read(chunk.file_name)[:-9] + b"PAR1")
    s3.faults = Faults(slow_down=0.2, cut=0.2)
    for _ in range(5):
        assert read_footer(folder, chunk.file_name) == ChunkFooter(2, 1, True, range(2))
        assert read_footer(folder, "damaged.parquet") is None
        assert read_footer(folder, "none.parquet") is None
    monkeypatch.setattr(storage, "attempts", 2)
    for refusal in ((503, "SlowDown"), (403, "AccessDenied")):
        s3.faults = Faults(refuse_after=0, refusal=refusal)
        with pytest.raises(RunError, match=rf"{chunk.file_name} cannot be read: .*it resumes"):
            read_footer(folder, chunk.file_name)
    s3.faults = Faults(refuse_after=0, refusal=(403, "ExpiredToken"))
    with pytest.raises(CredentialsError):
        read_footer(folder, chunk.file_name)


def test_a_footer_longer_than_most(tmp_path: Path) -> None:
    chunk = _chunk()
    CaptionWriter(str(tmp_path), {"long": "x" * 200_000}, CAPTION_SCHEMA)(chunk)
    assert read_footer(Folder(str(tmp_path)), chunk.file_name) == ChunkFooter(2, 1, True, range(2))


def test_a_chunk_without_rows_leaves_its_trace(tmp_path: Path) -> None:
    chunk = _chunk(samples=CAPTION_SCHEMA.empty_table())
    assert CaptionWriter(str(tmp_path), FACTS, CAPTION_SCHEMA)(chunk).rows == 0
    assert read_footer(Folder(str(tmp_path)), chunk.file_name) == ChunkFooter(0, 0, True)
