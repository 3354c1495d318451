from pathlib import Path

from pipeline.benchmark.batches import STRATEGIES, measure_batches


def test_captions_are_counted_by_precision_strategy_and_batch(small_bundle: Path) -> None:
    said: list[str] = []
    found = measure_batches(str(small_bundle), ["float32"], [1, 3], 3, said.append)
    assert [(run.strategy, run.batch) for run in found.runs] == [(s, b) for s in STRATEGIES for b in (1, 3)]
    assert all(run.captions == run.candidates == 0 for run in found.runs)
    assert len(said) == len(found.runs)
    assert next(iter(found.tables())).row_count == len(found.runs)
