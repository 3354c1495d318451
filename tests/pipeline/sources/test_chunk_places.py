"""Chunks that are missing between written ones are cut to fit, whatever the images weigh by then."""

import random

import pytest

from pipeline.chunk import Chunk
from pipeline.sources.chunk_places import Gap, gaps
from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples

LIMITS = ChunkLimits(rows=10, bytes=1000, max_bytes=1000)


def test_gaps_between_written_chunks() -> None:
    assert list(gaps({})) == [Gap((0,), 0)]
    written = {0: range(4), 3: range(9, 12), 4: range(12, 14), 5: range(0)}
    assert list(gaps(written)) == [Gap((1, 2), 4, 9), Gap((6,), 14)]
    assert list(gaps({1: range(0), 2: range(5, 6)})) == [Gap((0,), 0, 5), Gap((3,), 6)]


def _samples(sizes: list[int | None], known: bool) -> list[Sample]:
    """None for an image that cannot be read."""

    def load(size: int | None) -> bytes:
        if size is None:
            raise OSError("gone")
        return bytes(size)

    return [
        Sample(
            str(number),
            (size or 1) if known else 0,
            lambda size=size: load(size),
            ahead=None if known else lambda reserve, size=size: load(size),
        )
        for number, size in enumerate(sizes)
    ]


def _chunks(sizes: list[int | None], known: bool, skip: object = ()) -> list[Chunk]:
    return list(chunk_samples("s", _samples(sizes, known), LIMITS, skip))


def _places(chunks: list[Chunk]) -> dict[int, range]:
    places, start = {}, 0
    for chunk in chunks:
        indices = chunk.samples["index"].to_pylist()
        start = indices[0] if indices else start
        places[chunk.position] = range(start, start + len(indices))
        start += len(indices)
    return places


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", range(30))
def test_any_written_chunks_and_the_rest_are_each_row_once(seed: int, known: bool) -> None:
    random_ = random.Random(seed)
    count = random_.choice([0, 1, 7, 60])
    sizes: list[int | None] = [random_.choice([None, 20, 300, 990]) for _ in range(count)]
    first = _chunks(sizes, known)
    assert [chunk.position for chunk in first] == list(range(len(first)))
    kept = {
        position: place
        for position, place in _places(first).items()
        if place and random_.random() < 0.5 and position < len(first) - 1
    }
    other = [random_.choice([None, 20, 300, 990]) for _ in sizes]
    for now in (sizes, other):
        again = _chunks(now, known, kept)
        rows = [index for chunk in again for index in chunk.samples["index"].to_pylist()]
        rows += [index for place in kept.values() for index in place]
        assert sorted(rows) == list(range(count))
        positions = sorted([*kept, *(chunk.position for chunk in again)])
        assert positions == list(range(len(positions)))
        assert [chunk.position for chunk in again if chunk.last] == positions[-1:]
        if now is sizes:
            assert [chunk.samples for chunk in again] == [c.samples for c in first if c.position not in kept]


def test_rows_of_written_chunks_are_not_loaded() -> None:
    loaded: list[int] = []

    def sample(number: int) -> Sample:
        def read(*_: object) -> bytes:
            loaded.append(number)
            return bytes(100)

        return Sample(str(number), 0, read, ahead=read)

    progress: list[int] = []
    samples = [sample(number) for number in range(12)]
    skip = {0: range(4), 2: range(8, 12)}
    chunks = list(chunk_samples("s", samples, ChunkLimits(4), skip, progress.append))
    assert [(chunk.position, chunk.last) for chunk in chunks] == [(1, False)]
    assert sorted(loaded) == [4, 5, 6, 7]
    assert sorted(progress) == list(range(1, 13))


def test_images_that_have_grown_past_all_measure_are_errors_and_no_row_is_lost() -> None:
    limits = ChunkLimits(rows=100, bytes=1000, max_bytes=1000)
    samples = _samples([900] * 40, known=False)
    chunks = list(chunk_samples("s", samples, limits, {1: range(30, 40)}))
    assert chunks[0].samples.num_rows == 30
    errors = chunks[0].samples["error"].to_pylist()
    assert errors[:8] == [None] * 8
    assert "into another OUTPUT" in errors[-1]
    assert chunks[0].samples.nbytes < 16_000


def test_a_shard_that_breaks_off_within_a_gap_ends_there() -> None:
    def breaking():
        yield from _samples([10] * 5, known=True)
        raise OSError("cut")

    chunks = list(chunk_samples("s", breaking(), LIMITS, {1: range(20, 30)}))
    assert [(chunk.position, chunk.last, chunk.samples.num_rows) for chunk in chunks] == [(0, True, 6)]


def test_metadata_counts_as_images_do() -> None:
    samples = [Sample(str(n), 0, lambda: b"x", "m" * 300) for n in range(9)]
    chunks = list(chunk_samples("s", samples, LIMITS))
    assert [chunk.samples.num_rows for chunk in chunks] == [3, 3, 3]
