"""The table of a run: read back, and compared with another."""

from collections import Counter
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.storage.files import locate, open_blocks
from pipeline.storage.retries import storage

_SAME = ("image_id", "shard", "index", "caption", "error", "metadata")


def file_hashes(output: Path) -> dict[str, str]:
    """File names and hashes of a run's captions; at least one."""
    files = sorted((output / "captions").glob("*.parquet"))
    assert files, f"{output} holds no captions"
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def table_of(output: str) -> pa.Table:
    """All rows of the run at a path or URL, in the order of the archive."""
    filesystem, path = locate(f"{output}/captions")
    files = storage(filesystem.glob, f"{path}/*.parquet")
    table = pa.concat_tables(pq.read_table(open_blocks(filesystem, file)) for file in files)
    return table.sort_by([("shard", "ascending"), ("index", "ascending")])


def differences(expected: pa.Table, found: pa.Table) -> list[str]:
    """What is lost, doubled or different, one line each; scores may differ by 1e-4."""
    ids, wanted = Counter(found["image_id"].to_pylist()), Counter(expected["image_id"].to_pylist())
    lines = [f"lost: {image_id}" for image_id in wanted - ids]
    lines += [f"doubled: {image_id}" for image_id in ids - wanted]
    if lines:
        return lines
    lines = [f"{column} differs" for column in _SAME if expected[column] != found[column]]
    if _candidates(expected, "text") != _candidates(found, "text"):
        return [*lines, "candidates differ"]
    for score in ("clip_score", "logprob"):
        close = pytest.approx([value for row in _candidates(expected, score) for value in row], abs=1e-4)
        if [value for row in _candidates(found, score) for value in row] != close:
            lines.append(f"{score} differs")
    return lines


def _candidates(table: pa.Table, field: str) -> list[list]:
    return [[candidate[field] for candidate in row or []] for row in table["candidates"].to_pylist()]
