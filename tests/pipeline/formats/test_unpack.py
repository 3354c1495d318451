"""Packed tars as all kinds of tools write them, cut and damaged ones, and bombs."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from pipeline.formats import unpack
from pipeline.formats.tar import tar_members
from pipeline.formats.unpack import unpacked
from pipeline.sources.sample import ChunkLimits, chunk_samples
from pipeline.sources.shard import Shard
from pipeline.sources.webdataset import TarArgs, read_webdataset
from tests.hostile.tars import END, JPEG, member

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "lz4": lambda data: pa.compress(data, codec="lz4", asbytes=True),
}
NOISE = [np.random.default_rng(n).bytes(200_000) for n in range(4)]
TAR = b"".join(member(f"{n}.bin", data) for n, data in enumerate(NOISE)) + END


def _names(data: bytes) -> list[str]:
    """Names of members that can be read; what ends the archive early is a name too."""
    found = []
    try:
        for entry, read in tar_members(unpacked(io.BufferedReader(io.BytesIO(data)))):
            assert read() in (*NOISE, JPEG)
            found.append(entry.name)
    except tarfile.ReadError as error:
        found.append(str(error))
    return found


WHOLE = [f"{n}.bin" for n in range(4)]


@pytest.mark.parametrize("kind", PACKERS)
def test_in_one_piece_in_several_and_padded(kind: str) -> None:
    pack = PACKERS[kind]
    assert _names(pack(TAR)) == WHOLE
    assert _names(pack(TAR[:300_001]) + pack(TAR[300_001:])) == WHOLE  # as parallel packers do
    assert _names(pack(TAR) + pack(TAR)) == WHOLE + WHOLE
    assert _names(pack(TAR + bytes(100_007))) == WHOLE
    if kind in ("gz", "bz2", "xz"):
        assert _names(pack(TAR) + bytes(10_240)) == WHOLE  # as tapes pad


@pytest.mark.parametrize("kind", PACKERS)
def test_cut_short_it_is_an_error_after_the_good_members(kind: str) -> None:
    packed = PACKERS[kind](TAR)
    *names, error = _names(packed[: len(packed) * 5 // 8])
    assert names == WHOLE[: len(names)]
    assert "cut short" in error
    # in the first bytes of the second of two
    *names, error = _names(packed + packed[:5])
    assert names == WHOLE
    assert "cut short" in error
    *names, error = _names(packed + b"what does not belong here")
    assert names == WHOLE
    assert "damaged" in error


def test_frames_that_hold_nothing_are_passed_over() -> None:
    def skippable(size: int) -> bytes:
        return b"\x5a\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)

    packed = PACKERS["zst"](TAR)
    assert _names(skippable(4) + packed + skippable(90_000)) == WHOLE  # as pzstd and seekable zstd write


def test_what_needs_absurd_memory_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31)
    wide = io.BytesIO()
    with zstandard.ZstdCompressor(compression_params=parameters).stream_writer(wide, closefd=False) as file:
        file.write(TAR)
    (error,) = _names(wide.getvalue())
    assert "memory" in error
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    (error,) = _names(lzma.compress(TAR, filters=filters))
    assert "Memory usage limit" in error
    assert _names(lzma.compress(TAR, preset=9)) == WHOLE


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PK\x03\x04", "zip"),
        (b"<!DOCTYPE html>", "web page"),
        (b"\x1f\x9d\x90", ".Z"),
        (b"LZIP\x01", "lzip"),
    ],
)
def test_other_archives_are_named(head: bytes, kind: str) -> None:
    (error,) = _names(head + bytes(1000))
    assert kind in error


def test_a_tar_whose_first_name_looks_packed() -> None:
    assert _names(member("BZh1.jpg") + END) == ["BZh1.jpg"]


def _bomb(kind: str, packed: io.BufferedIOBase, piece: bytes, times: int) -> None:
    """`piece` so many times, packed."""
    packers = {"zst": zstandard.ZstdCompressor().compressobj, "bz2": bz2.BZ2Compressor}
    packer = packers[kind]()
    for _ in range(times):
        packed.write(packer.compress(piece))
    packed.write(packer.flush())


@pytest.mark.parametrize("kind", ["zst", "bz2"])
def test_zeros_between_members_end_soon(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.formats.tar._EMPTY_BYTES", 20 << 20)
    packed = io.BytesIO()
    _bomb(kind, packed, member("0.bin", NOISE[0]), 1)
    _bomb(kind, packed, bytes(1 << 20), 30)
    assert _names(packed.getvalue()) == ["0.bin", "the archive holds nothing but zeros for 20,971,520 bytes"]


def test_zeros_behind_which_a_member_stands_are_padding() -> None:
    for zeros in (512, 1024, 16_384, 16_896, 1 << 20, (3 << 20) + 512):
        assert _names(member("0.jpg") + bytes(zeros) + member("1.jpg") + END) == ["0.jpg", "1.jpg"]
    *names, error = _names(member("0.jpg") + bytes(1024) + b"x" + bytes(511))
    assert names == ["0.jpg"]
    assert "damaged" in error


def test_a_member_of_zeros_that_nobody_reads_ends_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "_ALWAYS", 50 << 20)
    path = tmp_path / "x.tar.zst"
    header = member("1.npy", b"", size=100 << 20)
    with path.open("wb") as file:
        _bomb("zst", file, member("0.jpg") + header, 1)
        _bomb("zst", file, bytes(1 << 20), 100)
        _bomb("zst", file, member("2.jpg") + END, 1)
    shard = Shard(path.name, "webdataset", str(path), TarArgs())
    rows = [
        r for c in chunk_samples("x", read_webdataset(shard), ChunkLimits()) for r in c.samples.to_pylist()
    ]
    assert rows[0]["image"] == JPEG
    assert "1,000 times its size" in rows[-1]["error"]


def test_bitmaps_that_shrink_fifty_times_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_ALWAYS", 0)
    bitmap = np.tile(np.random.default_rng(0).integers(0, 9, 500, dtype=np.uint8), 2000).tobytes()
    tar = b"".join(member(f"{n}.bmp", bitmap) for n in range(3)) + END
    packed = PACKERS["gz"](tar)
    assert len(tar) > 50 * len(packed)
    stream = unpacked(io.BufferedReader(io.BytesIO(packed)))
    assert [read() for _, read in tar_members(stream)] == [bitmap] * 3


def test_a_bomb_takes_little_memory_and_time(tmp_path: Path) -> None:
    path = tmp_path / "x.tar.zst"
    with path.open("wb") as file:
        _bomb("zst", file, bytes(4 << 20), 1000)
    program = f"""
import resource, tarfile
from pipeline.storage.files import locate, open_stream
from pipeline.formats.tar import tar_members
from pipeline.formats.unpack import unpacked
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_stream(*locate({str(path)!r})) as stored:
    try:
        list(tar_members(unpacked(stored)))
        raise SystemExit("not refused")
    except tarfile.ReadError:
        pass
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
assert grown < 40, grown
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
