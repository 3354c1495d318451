"""CLIP's text features of a set of captions, encoded once and then read from files.

The text tower is frozen and region noise comes after it, so a caption's feature never changes. A cache is a
folder, named by captions and CLIP:

    texts.txt             the distinct captions, one a line
    features-000000.npy   features [rows, D] of the first chunk of consecutive captions, and so on
    complete.json         last: every chunk is there

A chunk appears whole or not at all and its content depends on its captions and CLIP alone, so a killed build
goes on with what is missing, and several builders at once only repeat each other's work.

Features are kept as float16. Of a unit vector that rounds each entry by at most 1 part in 2,048; the noise
that training adds (standard deviation 0.13 an entry for a variance of 0.016) is a thousand times larger.
"""

import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.errors import RunError
from pipeline.storage import Folder

CHUNK_ROWS = 8192
_FORMAT, _TEXTS, _COMPLETE = "maccap-text-features-1", "texts.txt", "complete.json"


def default_cache() -> str:
    """`$MACCAP_CACHE/features`, by default in ~/.cache/maccap."""
    return str(Path(os.environ.get("MACCAP_CACHE", "~/.cache/maccap")).expanduser() / "features")


@dataclass(frozen=True)
class FeatureCache:
    """The folder of one set of captions and one CLIP. Small: it travels to the workers."""

    url: str
    rows: int
    chunk_rows: int

    @classmethod
    def within(
        cls, place: str, captions: str, clip: str, rows: int, chunk_rows: int = CHUNK_ROWS
    ) -> "FeatureCache":
        """The cache in folder or URL `place` of `rows` captions, both named by fingerprints."""
        key = json.dumps([_FORMAT, captions, clip, rows, chunk_rows])
        return cls(
            f"{place.rstrip('/')}/{blake2b(key.encode(), digest_size=16).hexdigest()}", rows, chunk_rows
        )

    @property
    def complete(self) -> bool:
        return Folder(self.url).read(_COMPLETE) is not None

    def begin(self, texts: Sequence[str]) -> None:
        folder = Folder(self.url)
        folder.make()
        if folder.read(_TEXTS) is None:
            folder.write(_TEXTS, "\n".join(texts).encode())

    def chunks(self) -> list[range]:
        """The captions of each chunk."""
        return [
            range(start, min(start + self.chunk_rows, self.rows))
            for start in range(0, self.rows, self.chunk_rows)
        ]

    def missing(self) -> list[int]:
        """Positions of the chunks that are not there."""
        there = set(Folder(self.url).names())
        return [position for position in range(len(self.chunks())) if _name(position) not in there]

    def write(self, position: int, features: NDArray[np.float16]) -> None:
        file = io.BytesIO()
        np.save(file, features)
        Folder(self.url).write(_name(position), file.getvalue())

    def finish(self) -> None:
        """Mark the cache complete. Raises RunError where a chunk is missing."""
        if missing := self.missing():
            raise RunError(f"{len(missing)} files are missing in {self.url}; start the same command again")
        Folder(self.url).write(_COMPLETE, json.dumps({"captions": self.rows}).encode() + b"\n")

    def texts(self) -> list[str]:
        """The captions, in order."""
        data = Folder(self.url).read(_TEXTS)
        if data is None:
            raise RunError(f"{self.url}/{_TEXTS} is gone; start the same command again")
        return data.decode().split("\n")

    def on_this_machine(self) -> "FeatureCache":
        """Itself where it is local, else a copy in `default_cache()`, made now if need be."""
        if "://" not in self.url:
            return self
        copy = replace(self, url=f"{default_cache()}/{self.url.rsplit('/', 1)[-1]}")
        here, there = Folder(copy.url), Folder(self.url)
        here.make()
        names = [_TEXTS, *(_name(position) for position in copy.missing()), _COMPLETE]
        for name in names:
            data = there.read(name)
            if data is None:
                raise RunError(f"{self.url}/{name} is gone; start the same command again")
            here.write(name, data)
        return copy

    def features(self) -> "CachedFeatures":
        """All features, memory-mapped. Raises RunError for a file that is damaged."""
        local = self.on_this_machine()
        maps = []
        for position, rows in enumerate(local.chunks()):
            path = Path(local.url) / _name(position)
            try:
                chunk = np.load(path, mmap_mode="r")
                if chunk.dtype != np.float16 or len(chunk) != len(rows):
                    raise ValueError(f"it holds {chunk.dtype} {chunk.shape}")
            except (OSError, ValueError) as error:
                raise RunError(
                    f"{path} is damaged ({error}); remove it and start the same command again"
                ) from None
            maps.append(chunk)
        return CachedFeatures(maps, local.chunk_rows, np.arange(local.rows))


class CachedFeatures:
    """Rows of the cache, read when they are asked for (`maccap.training.TextFeatures`)."""

    def __init__(self, chunks: list[NDArray[np.float16]], chunk_rows: int, rows: NDArray[np.int64]) -> None:
        self._chunks, self._chunk_rows, self._rows = chunks, chunk_rows, rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def dim(self) -> int:
        """D."""
        return self._chunks[0].shape[1]

    def of(self, rows: Sequence[int] | NDArray[np.int64]) -> "CachedFeatures":
        """These rows alone, without reading them."""
        return CachedFeatures(self._chunks, self._chunk_rows, self._rows[np.asarray(rows, dtype=np.int64)])

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        """Features [R, D], float16, of `rows` [R]."""
        wanted = self._rows[rows.numpy()]
        features = np.empty((len(wanted), self.dim), dtype=np.float16)
        chunk_of, inside = np.divmod(wanted, self._chunk_rows)
        for chunk in np.unique(chunk_of):
            here = chunk_of == chunk
            features[here] = self._chunks[chunk][inside[here]]
        return torch.from_numpy(features)


def _name(position: int) -> str:
    return f"features-{position:06d}.npy"
