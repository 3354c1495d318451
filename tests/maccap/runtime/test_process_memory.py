"""What a process holds, and what it gives back."""

from maccap.runtime.process_memory import peak_mb, resident_mb, trim_heap

MEGABYTES = 64


def test_what_is_held_and_was_held() -> None:
    before = resident_mb()
    block = b"x" * (MEGABYTES << 20)
    held = resident_mb()
    assert held - before > MEGABYTES - 10
    del block
    trim_heap()
    assert resident_mb() < held - MEGABYTES // 2
    assert peak_mb() >= held - 1
