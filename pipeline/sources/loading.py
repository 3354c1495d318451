"""Images that come over a network, read many at once and handed on in order.

What is read ahead is bounded by samples and by bytes: an image that would take more room is put off until its
turn, when it is read alone. A sample that is at hand is left for its turn, too.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pipeline.sources.sample import Sample

_AT_ONCE = 32
_SAMPLES = 256
_BYTES = 32 << 20

Reserve = Callable[[int], None]
"""Asked before so many more bytes are held. Raises PostponedError."""

Row = TypeVar("Row")


class PostponedError(Exception):
    """There is no room for the image now."""


def loading_ahead(
    rows: Iterable[Row], sample_of: Callable[[Row], "Sample"]
) -> Iterator[tuple[Row, Callable[[], bytes] | None]]:
    """Each row, and what loads its sample's image, or waits for it."""
    source, window = iter(rows), deque[tuple[Row, "_Image"]]()
    room = _Room()
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="images")
    ended = False
    try:
        while True:
            while not ended and (not window or (room.waiting and room.for_more(len(window)))):
                row = next(source, None)
                if row is None:
                    ended = True
                    break
                window.append((row, _Image(sample_of(row), room, pool)))
            if not window:
                return
            row, image = window.popleft()
            yield row, image if image.sample.load else None
            image.leave()
    finally:
        room.close()
        pool.shutdown(wait=False, cancel_futures=True)


class _Room:
    """Bytes held by samples that wait for their turn, and what those still being read may come to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._held = 0
        self._reading = 0
        self._typical = 64 << 10  # bytes per image, a running mean
        self._closed = False
        self.waiting = 0  # images that are read ahead

    def for_more(self, samples: int) -> bool:
        return samples < _SAMPLES and self._held + self._reading * self._typical < _BYTES

    def begin(self) -> None:
        with self._lock:
            self._reading += 1

    def end(self, size: int) -> None:
        with self._lock:
            self._reading -= 1
            self._typical += (size - self._typical) // 8

    def take(self, size: int, at_any_rate: bool = False) -> None:
        with self._lock:
            if not at_any_rate and (self._closed or self._held + size > _BYTES):
                raise PostponedError
            self._held += size

    def give(self, size: int) -> None:
        with self._lock:
            self._held -= size

    def close(self) -> None:
        self._closed = True


class _Image:
    """The image of one sample in the window; called once, when its turn comes."""

    def __init__(self, sample: "Sample", room: _Room, pool: ThreadPoolExecutor) -> None:
        self.sample, self._room = sample, room
        self._content = sample.size + len(sample.metadata or "")
        self._held = 0
        room.take(self._content, at_any_rate=True)
        self._future = None
        if sample.ahead is not None:
            room.waiting += 1
            room.begin()
            self._future = pool.submit(self._read_ahead, sample.ahead)

    def __call__(self) -> bytes:
        load = self.sample.load
        assert load is not None
        image = self._future.result() if self._future else None
        return load() if image is None else image

    def leave(self) -> None:
        """The sample's turn is over: what it holds is its chunk's."""
        self._room.give(self._content + self._held)
        self._room.waiting -= self._future is not None

    def _read_ahead(self, read: Callable[[Reserve], bytes]) -> bytes | None:
        """None where there is no room: an exception would hold on to the frames that it comes through."""
        wanted = 0

        def reserve(size: int) -> None:
            nonlocal wanted
            wanted += size
            self._room.take(size)
            self._held += size

        try:
            return read(reserve)
        except PostponedError:
            self._room.give(self._held)
            self._held = 0
            return None
        finally:
            self._room.end(wanted)
