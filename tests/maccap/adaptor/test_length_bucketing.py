"""Which captions per step sees."""

import numpy as np
import pytest

from maccap.adaptor.length_bucketing import BatchPlan

LENGTHS = np.random.default_rng(0).integers(3, 25, 1000)


def test_an_epoch_holds_each_caption_once() -> None:
    plan = BatchPlan(LENGTHS, 50, seed=1)
    assert plan.steps_per_epoch == 20
    for epoch in (0, 1):
        rows = np.concatenate([plan.rows(epoch * 20 + step) for step in range(20)])
        assert sorted(rows) == list(range(1000))


def test_a_step_is_the_same_whichever_were_asked_for_before() -> None:
    resumed = BatchPlan(LENGTHS, 64, seed=1).rows(40)
    through = BatchPlan(LENGTHS, 64, seed=1)
    for step in range(40):
        assert not np.array_equal(through.rows(step), resumed)
    assert np.array_equal(through.rows(40), resumed)
    assert not np.array_equal(BatchPlan(LENGTHS, 64, seed=2).rows(40), resumed)


def test_a_batch_holds_captions_of_like_length() -> None:
    plan = BatchPlan(LENGTHS, 50, seed=1)
    batches = [LENGTHS[plan.rows(step)] for step in range(20)]
    assert np.mean([np.ptp(batch) for batch in batches]) < 3
    assert len({batch.max() for batch in batches[:10]}) > 3  # not from short to long


def test_few_captions_fill_a_batch() -> None:
    plan = BatchPlan(LENGTHS[:3], 8, seed=0)
    assert plan.steps_per_epoch == 1
    assert set(plan.rows(5)) == {0, 1, 2}
    assert len(plan.rows(5)) == 8


def test_no_captions_are_refused() -> None:
    with pytest.raises(ValueError, match="no captions"):
        BatchPlan(LENGTHS[:0], 8, seed=0)
