"""The sample of pairs is of fixed size, fair, and the same whatever the parts."""

import numpy as np
import pytest

from pipeline.analyze.pair_sample import KEPT, PairSample, pair_keys


def test_the_sample_is_the_same_in_parts_and_in_any_order() -> None:
    ids = [f"image {number // 2}" for number in range(2000)]
    keys, values = pair_keys(7, ids), np.arange(2000, dtype=np.float32)[:, None]
    whole = PairSample.of(keys, values)
    assert whole.values.shape == (KEPT, 1)
    parts = [
        PairSample.of(keys[start : start + 300], values[start : start + 300]) for start in range(0, 2000, 300)
    ]
    for some in (parts, parts[::-1]):
        total = some[0]
        for part in some[1:]:
            total = total + part
        assert total.values.tolist() == whole.values.tolist()


def test_pairs_have_the_same_chance() -> None:
    keys = pair_keys(0, [f"{number}" for number in range(4000)])
    values = np.arange(4000, dtype=np.float32)[:, None]
    assert PairSample.of(keys, values).values.mean() == pytest.approx(2000, abs=250)


def test_keys_differ_by_image_caption_and_seed() -> None:
    keys = pair_keys(0, ["a", "a", "b", "\udcff"])
    assert len({*keys.tolist(), *pair_keys(1, ["a", "a"]).tolist()}) == 6
    assert pair_keys(0, ["a", "b", "a"]).tolist() == [keys[0], keys[2], keys[1]]
    assert pair_keys(0, []).dtype == np.uint64
