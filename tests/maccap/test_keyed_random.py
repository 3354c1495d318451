"""The keyed generator: fixed values, independent streams."""

import numpy as np

from maccap.keyed_random import normals, uniforms

NORMALS = [1.1321825981140137, 0.9641512036323547, 0.5588259696960449]
UNIFORMS = [0.6124370944769038, 0.8685303662925814, 0.30968916295822047]


def test_values_are_fixed_for_good() -> None:
    """Captions of finished runs depend on these numbers; if numpy ever changes them, this must be known."""
    np.testing.assert_allclose(normals(0, "shard/000.jpg", 0, (3,)), NORMALS, rtol=1e-6)
    np.testing.assert_allclose(uniforms(0, "shard/000.jpg", 0, 3), UNIFORMS, rtol=1e-12)


def test_every_part_of_the_key_matters() -> None:
    keys = [
        (0, "a", 0),
        (1, "a", 0),
        (0, "b", 0),
        (0, "a", 1),
        (2**70, "a", 0),
        (0, "a", 2**40),
        (0, "\udcff", 0),
    ]
    for draw in (lambda *key: normals(*key, (64,)), lambda *key: uniforms(*key, 64)):
        rows = np.stack([draw(*key) for key in keys])
        correlation = np.corrcoef(rows) - np.eye(len(keys))
        assert np.abs(correlation).max() < 0.6
        assert len({row.tobytes() for row in rows}) == len(keys)


def test_seed_and_id_do_not_run_together() -> None:
    assert not np.array_equal(uniforms(1, "2a", 0, 8), uniforms(12, "a", 0, 8))


def test_noise_and_sampling_are_different_streams() -> None:
    """Equal counters would give both the same random bits: the sign of a normal follows one of them."""
    noise, numbers = normals(0, "a", 0, (2000,)), uniforms(0, "a", 0, 2000)
    assert abs(np.corrcoef(noise, numbers)[0, 1]) < 0.1


def test_a_longer_request_begins_with_the_same_numbers() -> None:
    np.testing.assert_array_equal(uniforms(3, "x", 5, 20)[:7], uniforms(3, "x", 5, 7))


def test_distributions() -> None:
    noise = normals(0, "many", 0, (100, 1000))
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.01
    assert abs(noise.std() - 1) < 0.01
    numbers = uniforms(0, "many", 0, 100_000)
    assert 0 <= numbers.min() < 0.001
    assert 0.999 < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.005
