"""Peaks of memory are of all that a process and its children hold."""

import subprocess
import sys

from maccap.runtime.process_memory import resident_mb
from pipeline.benchmark.memory import TreeMemory, own_peak

MEGABYTES = 200
HOLD = f"x = bytearray({MEGABYTES} << 20); print(flush=True); input()"


def test_children_count() -> None:
    def peak(program: str) -> int:
        memory = TreeMemory()
        with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdout.readline()
            with memory.watched():
                pass
            child.stdin.write("\n")
        return memory.peak_mb

    without = peak("print(flush=True); input()")
    assert MEGABYTES - 20 < peak(HOLD) - without < MEGABYTES + 60


def test_a_peak_stays_when_its_memory_is_freed() -> None:
    more = MEGABYTES + own_peak().memory_mb - resident_mb()
    before = resident_mb()
    block = b"x" * (more << 20)
    del block
    assert own_peak().memory_mb > before + more - 50
