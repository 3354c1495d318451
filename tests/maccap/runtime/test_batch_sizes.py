import torch

from maccap.runtime.batch_sizes import decoded_rows, rows_at_once, rows_that_fit

CPU = torch.device("cpu")


def test_rows_follow_what_is_free() -> None:
    assert rows_that_fit(1 << 60, CPU, 100) == 1
    assert rows_that_fit(1, CPU, 100) == 100
    whole = rows_that_fit(1, CPU, 1 << 60)
    assert 1 << 20 < whole < 1 << 50
    assert 1 <= rows_that_fit(whole // 8, CPU, 1 << 60) <= 16


def test_how_many_are_decoded_together_follows_from_the_model() -> None:
    gpu, half = torch.device("cuda"), torch.bfloat16
    assert decoded_rows(gpu, half, 1 << 20, 5) == 1024
    assert decoded_rows(gpu, half, 30 << 20, 5) == 256
    assert decoded_rows(gpu, half, 1 << 40, 5) == 1
    assert decoded_rows(CPU, half, 1 << 40, 5) == 64
    assert decoded_rows(CPU, half, 1 << 20, 5, most=8) == 8


def test_in_single_precision_few_rows_are_decoded_together_but_of_small_models() -> None:
    small, large = 1 << 10, 8 << 20
    assert decoded_rows(CPU, torch.float32, large, 5) == 35
    assert decoded_rows(CPU, torch.float32, large, 1) == 24
    assert decoded_rows(CPU, torch.float32, small, 5) == 512
    assert decoded_rows(CPU, torch.float32, large, 5, most=3) == 3


def test_rows_of_hidden_states_are_as_many_as_caches_hold() -> None:
    assert rows_at_once(341, 768, CPU) == 1
    assert rows_at_once(10, 768, CPU) == 34
    assert rows_at_once(10, 768, torch.device("cuda")) > 1000
