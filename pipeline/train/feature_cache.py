"""CLIP's text features of a set of captions, encoded once and then read from files.

The text tower is frozen and region noise comes after it, so a caption's feature never changes. A cache is a
folder, named by captions and CLIP:

    texts.txt             the distinct captions, one a line
    features-000000.npy   features [rows, D] of the first chunk of consecutive captions, and so on
    complete.json         last: every chunk is there

A chunk appears whole or not at all and its content depends on its captions and CLIP alone, so a killed build
resumes with what is missing, and several builders at once only repeat each other's work.

A chunk's file ends, after its array, in a digest of its position, its captions and that array. So a damaged
file, one of another position, or rows that were moved are noticed where the cache is opened, by reading it.

Features are kept as float16. Of a unit vector that rounds each entry by at most 1 part in 2,048; the noise
that training adds (standard deviation 0.13 an entry for a variance of 0.016) is a thousand times larger.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maccap.bundle_cache import cache_folder
from pipeline.storage.errors import RunError
from pipeline.storage.folder import Folder

CHUNK_ROWS = 8192
_DIGEST = 16  # bytes
_REMOVE = "remove it and start the same command again"
_FORMAT, _TEXTS, _COMPLETE = "maccap-text-features-1", "texts.txt", "complete.json"


def default_cache() -> str:
    """`$MACCAP_CACHE/features`, by default in ~/.cache/maccap."""
    return str(cache_folder() / "features")


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
    def _local(self) -> bool:
        return "://" not in self.url

    @property
    def complete(self) -> bool:
        """Whether it was finished, and no chunk was removed since."""
        return Folder(self.url).read(_COMPLETE) is not None and not self.missing()

    def begin(self, texts: Sequence[str]) -> list[str]:
        """Open the cache for these captions; returns the names of files that held something else.

        They are missing from then on. The chunks of a remote cache are looked at when they are copied.
        """
        folder = Folder(self.url)
        folder.make()
        held, done, data = folder.read(_TEXTS), folder.read(_COMPLETE), _joined(texts)
        doubtful = done is not None and _entry(done, "texts") != _hash(data).hexdigest()
        spoilt = []
        for position, name in self._there().items():
            if doubtful if not self._local else not self._is_whole(position, texts, folder.read(name)):
                folder.remove(name)
                spoilt.append(name)
        if held != data:
            folder.write(_TEXTS, data)
            spoilt += [_TEXTS] if held is not None else []
        if spoilt or doubtful:
            folder.remove(_COMPLETE)
        return spoilt

    def chunks(self) -> list[range]:
        """The captions of each chunk."""
        return [
            range(start, min(start + self.chunk_rows, self.rows))
            for start in range(0, self.rows, self.chunk_rows)
        ]

    def missing(self) -> list[int]:
        """Positions of the chunks that are not there."""
        there = self._there()
        return [position for position in range(len(self.chunks())) if position not in there]

    def _there(self) -> dict[int, str]:
        """Names of the chunks that are there, by position."""
        names = {*Folder(self.url).names()}
        own = {position: _name(position) for position in range(len(self.chunks()))}
        return {position: name for position, name in own.items() if name in names}

    def _is_whole(self, position: int, texts: Sequence[str], data: bytes | None) -> bool:
        """Whether a file's bytes are the array that was written at `position` for its part of `texts`."""
        rows = self.chunks()[position]
        array, digest = memoryview(data or b"")[:-_DIGEST], (data or b"")[-_DIGEST:]
        return _digest(array, position, texts[rows.start : rows.stop]) == digest

    def write(self, position: int, texts: Sequence[str], features: NDArray[np.float16]) -> None:
        """The features [rows, D] of the captions of one chunk."""
        file = io.BytesIO()
        np.save(file, features, allow_pickle=False)
        array = file.getvalue()
        Folder(self.url).write(_name(position), array + _digest(array, position, texts))

    def finish(self) -> None:
        """Mark the cache complete. Raises RunError where a chunk is missing."""
        if missing := self.missing():
            raise RunError(f"{len(missing)} files are missing in {self.url}; start the same command again")
        done = {"captions": self.rows, "texts": _hash(Folder(self.url).read(_TEXTS) or b"").hexdigest()}
        Folder(self.url).write(_COMPLETE, json.dumps(done).encode() + b"\n")

    def texts(self) -> list[str]:
        """The captions, in order. Raises RunError where they are gone, or others than the cache is of."""
        folder = Folder(self.url)
        data, done = folder.read(_TEXTS), folder.read(_COMPLETE)
        if data is None:
            raise RunError(f"{self.url}/{_TEXTS} is gone; start the same command again")
        if done is not None and _entry(done, "texts") != _hash(data).hexdigest():
            raise RunError(f"{self.url}/{_TEXTS} was changed; start the same command again")
        return data.decode().split("\n")

    def on_this_machine(self) -> "FeatureCache":
        """Itself where it is local, else a copy in `default_cache()`, made now if need be."""
        if self._local:
            return self
        copy = replace(self, url=f"{default_cache()}/{self.url.rsplit('/', 1)[-1]}")
        here, there = Folder(copy.url), Folder(self.url)
        here.make()
        texts = self.texts()
        chunks = {_name(position): position for position in copy.missing()}
        for name in (_TEXTS, *chunks, _COMPLETE):
            data = there.read(name)
            if data is None:
                raise RunError(f"{self.url}/{name} is gone; start the same command again")
            if name in chunks and not self._is_whole(chunks[name], texts, data):
                raise RunError(f"{self.url}/{name} is damaged; {_REMOVE}")
            here.write(name, data)
        return copy

    def features(self) -> "CachedFeatures":
        """All features, memory-mapped. Raises RunError for a file that is damaged or holds others."""
        local = self.on_this_machine()
        texts, maps = local.texts(), []
        for position, rows in enumerate(local.chunks()):
            path = Path(local.url) / _name(position)
            try:
                if not local._is_whole(position, texts, path.read_bytes()):
                    raise ValueError("it does not hold the features that were written there")
                chunk = np.load(path, mmap_mode="r", allow_pickle=False)
                if chunk.dtype != np.float16 or len(chunk) != len(rows):
                    raise ValueError(f"it holds {chunk.dtype} {chunk.shape}")
            except (OSError, ValueError) as error:
                raise RunError(f"{path} is damaged ({error}); {_REMOVE}") from None
            maps.append(chunk)
        return CachedFeatures(maps, local.chunk_rows, np.arange(local.rows))


class CachedFeatures:
    """Rows of the cache, read when they are asked for (`maccap.adaptor.text_regions.TextFeatures`)."""

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


def _digest(array: bytes | memoryview, position: int, texts: Sequence[str]) -> bytes:
    digest = _hash(f"{position}\n".encode() + _joined(texts) + b"\n")
    digest.update(array)
    return digest.digest()


def _hash(data: bytes) -> "blake2b":
    return blake2b(data, digest_size=_DIGEST)


def _joined(texts: Sequence[str]) -> bytes:
    """One a line: no text holds a line feed."""
    return "\n".join(texts).encode()


def _entry(marker: bytes, name: str) -> object:
    """Of `complete.json`, which is plain data or damaged."""
    try:
        document = json.loads(marker)
    except ValueError:
        return None
    return document.get(name) if isinstance(document, dict) else None


def _name(position: int) -> str:
    return f"features-{position:06d}.npy"
