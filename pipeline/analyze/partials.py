"""The sink of an analysis: the statistics of each chunk, in a file named after it, and the sum of them all.

A task that is retried, or runs twice, rewrites its own file, so that no pair counts twice.
"""

import time
from dataclasses import dataclass

from pipeline.analyze.statistics import Statistics
from pipeline.chunk import Chunk
from pipeline.stages.write import WriteResult
from pipeline.storage.errors import RunError
from pipeline.storage.folder import Folder, reading, writing

_ENDING = ".npz"


@dataclass(frozen=True)
class StatisticsWriter:
    """Writes to folder `url`. `captions` are the fields that captions were looked for in, `seed` is that of
    the sample of pairs.
    """

    url: str
    captions: tuple[str, ...]
    seed: int

    def __call__(self, chunk: Chunk) -> WriteResult:
        """Raises RunError, with what to fix, where the storage does not take the file."""
        start = time.perf_counter()
        found = Statistics.of(chunk.samples, self.captions, self.seed)
        data = found.to_bytes()
        with writing(self.url):
            Folder(self.url).write(f"{chunk.file_name}{_ENDING}", data)
        return WriteResult(
            chunk.shard,
            chunk.position,
            chunk.last,
            found.counts["rows"],
            found.counts["errors"],
            len(data),
            time.perf_counter() - start,
        )


def folded(url: str) -> Statistics:
    """The sum of all files in folder `url`, one in memory at a time, in the order of their names: the same
    to the bit whichever was written first. Raises RunError where there is none, or one cannot be read.
    """
    folder = Folder(url)
    total: Statistics | None = None
    for name in folder.names():
        if name.endswith(_ENDING) and not name.startswith("."):
            with reading(f"{url}/{name}"):
                part = Statistics.from_bytes(folder.read(name) or b"")
            total = part if total is None else total + part
    if total is None:
        raise RunError(f"{url} holds no statistics. Start the same command again.")
    return total
