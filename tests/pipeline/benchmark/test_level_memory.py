"""Memory by kind of process, in tenths of a run."""

from pipeline.benchmark.level_memory import LevelMemory, MemoryLooks


def test_looks_become_tenths() -> None:
    looks = MemoryLooks()
    looks.look()
    assert looks.by_kind()["driver"].most_processes == 1
    assert looks.by_kind()["driver"].tenths[0] == looks.by_kind()["driver"].tenths[9] > 10
    looks._looks = [{"driver": (1, 100.0 + n)} for n in range(100)] + [{"decoders": (2, 8.0)}]
    found = LevelMemory(images=5, seconds=2, kinds=looks.by_kind())
    assert found.kinds["driver"].tenths[:3] == [104, 114, 124]
    assert found.kinds["decoders"].most_processes == 2
    assert any(line.startswith("driver") for line in found.lines())
