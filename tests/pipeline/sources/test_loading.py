"""Images read many at once: in order, each once, and bounded in bytes."""

import threading
import time
from collections.abc import Iterator

import pytest

from pipeline.sources.loading import PostponedError, Reserve, loading_ahead
from pipeline.sources.sample import ChunkLimits, Sample, chunk_samples
from pipeline.storage.errors import CredentialsError, UserError


class _Network:
    """Counts what is read at once."""

    def __init__(self, sizes: list[int], seconds: float = 0.0) -> None:
        self.sizes, self.seconds = sizes, seconds
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.postponed: list[int] = []

    def sample(self, number: int) -> Sample:
        def read(reserve: Reserve) -> bytes:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            try:
                reserve(self.sizes[number])
                time.sleep(self.seconds * (number % 3))
                return number.to_bytes(2, "big") + bytes(self.sizes[number] - 2)
            except PostponedError:
                self.postponed.append(number)
                raise
            finally:
                with self.lock:
                    self.now -= 1

        return Sample(str(number), 0, lambda: read(lambda size: None), ahead=read)

    def samples(self) -> list[Sample]:
        return [self.sample(number) for number in range(len(self.sizes))]


def test_many_are_read_at_once_and_come_in_order() -> None:
    network = _Network([10] * 100, 0.02)
    numbers = [load()[:2] for _, load in loading_ahead(network.samples(), lambda sample: sample) if load]
    assert numbers == [number.to_bytes(2, "big") for number in range(100)]
    assert 8 < network.most <= 32


def test_large_images_are_put_off_until_their_turn() -> None:
    size = 20 << 20
    network = _Network([size] * 12)
    for (_, load), number in zip(
        loading_ahead(network.samples(), lambda sample: sample), range(12), strict=True
    ):
        assert load is not None
        image = load()
        assert (int.from_bytes(image[:2], "big"), len(image)) == (number, size)
    assert network.postponed


def test_what_is_at_hand_is_left_for_its_turn() -> None:
    taken: list[int] = []

    def samples() -> Iterator[Sample]:
        for number in range(50):
            taken.append(number)
            yield Sample(str(number), 5, lambda: b"image")

    rows = loading_ahead(samples(), lambda sample: sample)
    next(rows)
    assert taken == [0]
    rows.close()


@pytest.mark.parametrize("error", [UserError("a"), CredentialsError("b")])
def test_what_the_user_must_put_right_ends_the_run(error: UserError) -> None:
    def fail(*_: object) -> bytes:
        raise error

    def raising() -> Iterator[Sample]:
        yield Sample("a", 1, lambda: b"1")
        raise error

    for samples in ([Sample("a", 0, fail, ahead=fail)], [Sample("a", 0, fail)], raising()):
        with pytest.raises(type(error)):
            list(chunk_samples("s", samples, ChunkLimits()))


def test_one_image_that_fails_costs_its_row() -> None:
    network = _Network([10] * 5)
    samples = network.samples()

    def fail(*_: object) -> bytes:
        raise OSError("gone")

    samples[2] = Sample("2", 0, fail, ahead=fail)
    (chunk,) = chunk_samples("s", samples, ChunkLimits())
    assert chunk.samples["error"].to_pylist() == [None, None, "cannot be read: gone", None, None]


def test_leaving_early_leaves_no_thread_behind() -> None:
    network = _Network([10] * 300, 0.01)
    rows = loading_ahead(network.samples(), lambda sample: sample)
    next(rows)
    rows.close()
    for _ in range(200):
        left = [thread for thread in threading.enumerate() if thread.name.startswith("images")]
        if not left:
            break
        time.sleep(0.05)
    assert not left
