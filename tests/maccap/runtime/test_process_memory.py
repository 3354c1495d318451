"""What a process read of a mapped file is given back, and comes again when it is read again."""

from pathlib import Path

import numpy as np

from maccap.runtime.process_memory import forget_file, lies_in_file, resident_mb

MEGABYTES = 64


def test_a_mapped_file_is_given_back(tmp_path: Path) -> None:
    np.full(MEGABYTES << 20, 7, np.uint8).tofile(tmp_path / "weights")
    mapped = np.memmap(tmp_path / "weights", mode="c")  # private, as loaded weights are
    before = resident_mb()
    total = int(mapped.sum())
    read = resident_mb()
    forget_file(mapped.ctypes.data, mapped.nbytes)
    assert read - before > MEGABYTES - 10
    assert read - resident_mb() > MEGABYTES - 10
    assert int(mapped.sum()) == total


def test_memory_is_told_from_a_mapped_file(tmp_path: Path) -> None:
    np.zeros(1 << 20, np.uint8).tofile(tmp_path / "weights")
    mapped = np.memmap(tmp_path / "weights", mode="c")
    assert lies_in_file(mapped.ctypes.data)
    assert not lies_in_file(np.zeros(1 << 20, np.uint8).ctypes.data)
