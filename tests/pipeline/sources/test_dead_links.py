"""A table of addresses of which a third is dead ends soon, with every row; `images` hold each once."""

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources import ChunkLimits, chunk_samples, plan_source, read_shard
from pipeline.sources.web import Patience, Web
from tests.image_server import black_hole, refused_url, web_server
from tests.images import encoded, picture


def test_every_row_is_there_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, gone = encoded(picture()), refused_url()
    web = Web(Patience(connect=0.5, answer=1, body=1, wait=0.05))
    monkeypatch.setattr("pipeline.sources.image_files.web", web)
    with web_server(image) as server, black_hole() as hole:
        kinds = {
            f"{server.url}/%d.jpg": None,
            f"{server.url}/missing-%d.jpg": "HTTP 404",
            f"{server.url}/endless-%d.jpg": "max_bytes",
            f"{server.url}/slow-%d.jpg": "too slowly",
            f"{hole}/%d.jpg": "answer",
            f"{gone}/%d.jpg": "answer",
            "http://169.254.169.254/%d": "never read from",
            f"{server.url}/x.jpg?n=%d": None,
        }
        urls = [kind % number for number in range(12) for kind in kinds]
        pq.write_table(pa.table({"URL": urls}), tmp_path / "x.parquet")
        (shard,) = plan_source(str(tmp_path / "x.parquet")).shards
        start, progress = time.monotonic(), list[int]()
        limits = ChunkLimits(20, max_bytes=8 << 20)
        chunks = list(chunk_samples("x", read_shard(shard, limits.max_bytes), limits, (), progress.append))
        assert time.monotonic() - start < 60
    web.close()
    rows = [row for chunk in chunks for row in chunk.samples.to_pylist()]
    assert [row["index"] for row in rows] == list(range(len(urls)))
    assert progress == list(range(1, len(urls) + 1))
    for row, error in zip(rows, [*kinds.values()] * 12, strict=True):
        assert (row["image"] == image) == (error is None), row
        assert (error or "") in (row["error"] or "")
    assert len({row["image_id"] for row in rows}) == len(rows)
