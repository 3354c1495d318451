from collections.abc import Iterator

import pytest

from pipeline.chunk import Chunk
from pipeline.sources import shard_from_json
from pipeline.sources.folder import FolderArgs
from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples
from pipeline.sources.shard import Shard


def _samples(count: int, loaded: list[int] | None = None, size: int = 10) -> Iterator[Sample]:
    for number in range(count):

        def load(number: int = number) -> bytes:
            if loaded is not None:
                loaded.append(number)
            return bytes(size)

        yield Sample(f"s/{number}", size, load)


def _cut(count: int, rows: int, **options: object) -> list[Chunk]:
    return list(chunk_samples("s.tar", _samples(count), ChunkLimits(rows), **options))


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, [0]), (1, [1]), (4, [4]), (5, [4, 1]), (8, [4, 4]), (9, [4, 4, 1])]
)
def test_every_shard_ends_in_one_last_chunk(count: int, sizes: list[int]) -> None:
    chunks = _cut(count, 4)
    assert [chunk.samples.num_rows for chunk in chunks] == sizes
    assert [chunk.position for chunk in chunks] == list(range(len(sizes)))
    assert [chunk.last for chunk in chunks] == [False] * (len(sizes) - 1) + [True]
    indices = [index for chunk in chunks for index in chunk.samples["index"].to_pylist()]
    assert indices == list(range(count))


def test_written_chunks_are_skipped_without_loading_their_images() -> None:
    loaded: list[int] = []
    chunks = list(chunk_samples("s.tar", _samples(10, loaded), ChunkLimits(3), skip={0, 2}))
    whole = _cut(10, 3)
    assert [chunk.position for chunk in chunks] == [1, 3]
    assert loaded == [3, 4, 5, 9]
    assert [chunk.samples for chunk in chunks] == [whole[1].samples, whole[3].samples]
    assert chunks[-1].last


def test_a_chunk_of_big_images_ends_early_and_the_same_way_on_resume() -> None:
    limits = ChunkLimits(rows=100, bytes=25)
    chunks = list(chunk_samples("s.tar", _samples(7), limits))
    assert [chunk.samples.num_rows for chunk in chunks] == [2, 2, 2, 1]
    resumed = list(chunk_samples("s.tar", _samples(7), limits, skip={0, 1}))
    assert [chunk.samples for chunk in resumed] == [chunk.samples for chunk in chunks[2:]]


def test_an_image_beyond_the_byte_limit_is_a_chunk_of_its_own() -> None:
    chunks = list(chunk_samples("s.tar", _samples(3), ChunkLimits(rows=100, bytes=5)))
    assert [chunk.samples.num_rows for chunk in chunks] == [1, 1, 1]


def test_a_shard_that_breaks_off_keeps_its_samples_and_gains_one_error_row() -> None:
    def breaking() -> Iterator[Sample]:
        yield from _samples(3)
        raise OSError("connection lost")

    chunks = list(chunk_samples("s.tar", breaking(), ChunkLimits(3)))
    rows = [row for chunk in chunks for row in chunk.samples.to_pylist()]
    assert [row["error"] for row in rows[:3]] == [None] * 3
    assert rows[3]["error"] == "the rest of shard s.tar cannot be read: connection lost"
    assert rows[3]["image_id"] == "s.tar"
    assert chunks[-1].last


def test_an_image_that_cannot_be_loaded_is_an_error_row_in_its_place() -> None:
    def load() -> bytes:
        raise PermissionError("not allowed")

    samples = [Sample("a", 1, lambda: b"1"), Sample("b", 1, load), Sample("c", 1, lambda: b"3")]
    (chunk,) = chunk_samples("s.tar", samples, ChunkLimits())
    assert chunk.samples["error"].to_pylist() == [None, "cannot be read: not allowed", None]
    assert chunk.samples["image"].to_pylist() == [b"1", None, b"3"]


def test_a_shard_travels_as_text_whatever_its_names() -> None:
    shard = Shard("猫-000000", "folder", "/data/\udcff", FolderArgs("a/\udcff.jpg", "z.jpg"))
    assert shard_from_json(shard.to_json()) == shard
    assert shard.to_json().isascii()
