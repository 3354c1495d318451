"""histogram.py, distribution.py, lowest_keys.py, word_counts.py, answer_counts.py, throughput.py: bounded."""

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from pipeline.report import answer_counts, word_counts
from pipeline.report.answer_counts import AnswerCounts
from pipeline.report.distribution import distribution
from pipeline.report.error_kinds import OTHERS, ErrorKinds, kind_of
from pipeline.report.histogram import Histogram
from pipeline.report.lowest_keys import LowestKeys, Place, random_keys
from pipeline.report.numbers import Numbers
from pipeline.report.throughput import measure_throughput
from pipeline.report.word_counts import WordCounts, words_per_caption


def test_a_histogram_tells_mean_and_quantiles_of_all_values() -> None:
    values = np.random.default_rng(0).normal(0.3, 0.05, 10_000)
    histogram = Histogram(-1, 1, 0.001)
    for part in np.split(values, 10):
        histogram.add(np.append(part, np.nan))
    assert histogram.count == 10_000
    assert histogram.mean == pytest.approx(values.mean())
    assert histogram.quantile(0.5) == pytest.approx(np.median(values), abs=0.002)
    bars = histogram.bars(40)
    assert 10 <= len(bars) <= 40
    assert sum(bar.values for bar in bars) == 10_000
    assert all(bar.high == pytest.approx(after.low) for bar, after in pairwise(bars))


def test_a_value_on_an_edge_lies_in_the_bin_that_begins_there() -> None:
    histogram = Histogram(-1, 1, 0.001)
    histogram.add(np.array([0.29, 0.29, 0.57]))
    (first, *_, last) = histogram.bars(1000)
    assert (round(first.low, 3), first.values) == (0.29, 2)
    assert (round(last.low, 3), last.values) == (0.57, 1)


def test_values_beyond_count_at_the_ends_and_no_values_are_no_bars() -> None:
    histogram = Histogram(0, 10, 1)
    assert (histogram.mean, histogram.bars(5)) == (None, [])
    assert math.isnan(histogram.quantile(0.5))
    histogram.add(np.array([-5, 3, 1000, math.inf]))
    assert (histogram.bins[0], histogram.bins[-1], histogram.count) == (1, 1, 3)


def _said(histogram: Histogram, digits: int) -> str:
    (block,) = distribution("", "", histogram, digits)
    return block.about.strip().split(". The first")[0]


def test_percentiles_are_told_to_the_digit_and_beyond_the_bins_as_such() -> None:
    numbers = Numbers(images=1)
    numbers.logprobs.add(np.full(9, -0.303))
    assert _said(numbers.logprobs, 2) == (
        "Mean -0.303, median -0.30, 5th percentile -0.30, 95th percentile -0.30"
    )
    numbers.logprobs.add(np.full(99, -30.0))
    assert _said(numbers.logprobs, 2).split(", ")[1] == "median -25.00 or less"
    numbers.words.add(np.array([0, 7, 850]))
    assert _said(numbers.words, 0) == ("Mean 285.7, median 7, 5th percentile 0, 95th percentile 500 or more")
    numbers.words.add(np.full(9, 500.0))
    assert _said(numbers.words, 0).split(", ")[1] == "median 500 or more"
    assert list(distribution("", "", numbers.scores, 2)) == []


def test_the_lowest_keys_are_found_in_any_number_of_files() -> None:
    keys = np.random.default_rng(1).random((20, 30))
    keys[3, 4] = np.nan
    lowest = LowestKeys(25)
    for file, own in enumerate(keys):
        lowest.add(own, file)
    order = np.argsort(keys.flatten())[:25]
    assert lowest.places == [Place(*divmod(int(place), 30)) for place in order]


def test_of_equal_keys_the_first_stays() -> None:
    lowest = LowestKeys(2)
    for file in range(3):
        lowest.add(np.zeros(3), file)
    assert lowest.places == [Place(0, 0), Place(0, 1)]


def test_random_keys_depend_on_seed_and_file_alone() -> None:
    assert (random_keys(0, "a", 5) == random_keys(0, "a", 5)).all()
    assert (random_keys(0, "a", 5) != random_keys(1, "a", 5)).all()
    assert (random_keys(0, "a", 5) != random_keys(0, "b", 5)).all()


def test_words_are_counted_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = WordCounts()
    counts.add(pa.array(["A dog, a DOG and the dog's bone.", None, "", "Ein Büro – 猫", "'dog'"]))
    assert counts.counts == {"a": 2, "dog": 3, "and": 1, "the": 1, "dog's": 1, "bone": 1} | {
        "ein": 1,
        "büro": 1,
        "猫": 1,
    }
    assert counts.most_frequent(1) == [("dog", 3)]
    monkeypatch.setattr(word_counts, "_MOST", 10)
    counts.add(pa.array(["dog " + " ".join(f"w{n}" for n in range(20)), "x" * 10_000]))
    assert counts.dropped
    assert len(counts.counts) == 5
    assert counts.counts["dog"] == 4


def test_words_per_caption() -> None:
    found = words_per_caption(pa.array(["one", "a  b\tc\n", "", "  ", None]))
    assert found.tolist()[:4] == [1, 3, 0, 0]
    assert math.isnan(found[4])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("damaged image: broken data stream", "damaged image"),
        ("decoding takes more than 10 s (decode_seconds)", "decoding takes more than … s (decode_seconds)"),
        ("the rest of shard a/b-001.tar cannot be read: x", "the rest of shard … cannot be read"),
        ("no file 'x y' there", "no file … there"),
        ("", OTHERS),
        ("x" * 5000, "x" * 200),
    ],
)
def test_kinds_of_errors(error: str, kind: str) -> None:
    assert kind_of(error) == kind


def test_kinds_and_examples_are_bounded() -> None:
    kinds = ErrorKinds()
    letters = "abcdefghijklmnop"
    kinds.add(
        (f"{n}.jpg", f"kind {letters[n % 16]}{letters[n // 16 % 16]}{letters[n // 256]}") for n in range(999)
    )
    assert kinds.counts.total() == 999
    assert len(kinds.counts) == 201
    assert kinds.counts[OTHERS] == 799
    assert len(kinds.examples[OTHERS]) == 3


def test_answers_by_question(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = AnswerCounts()
    answers.add(
        [("how many?", "two"), ("how many?", "one"), ("how many?", "two"), ("once?", "yes"), ("x", None)]
    )
    assert (answers.asked, answers.unanswered) == (5, 1)
    assert answers.frequent_questions(5) == [("how many?", {"two": 2, "one": 1})]
    monkeypatch.setattr(answer_counts, "_MOST", 100)
    answers.add([("how many?", str(n)) for n in range(200)])
    assert answers.dropped
    assert len(answers.answers) <= 100
    assert len(answers.by_question["how many?"]) == 2


def test_throughput_is_rows_over_the_time_of_work() -> None:
    times = [100.0 + 10 * n for n in range(1, 21)]
    found = measure_throughput(times, [50] * 20, began=100.0)
    assert found is not None
    assert found.images_per_second.tolist() == pytest.approx([5.0] * 20)
    assert (found.seconds, found.pauses) == (pytest.approx(200), 0)


def test_pauses_are_cut_out_and_told() -> None:
    times = [10.0 * n + (86_400 if n > 10 else 0) for n in range(1, 21)]
    found = measure_throughput(times[::-1], [50] * 20)
    assert found is not None
    assert (found.pauses, round(found.paused)) == (1, 86_400)
    assert found.seconds == pytest.approx(200)
    assert (found.images_per_second * found.width).sum() == pytest.approx(1000)


def test_times_within_a_second_tell_nothing() -> None:
    assert measure_throughput([], []) is None
    assert measure_throughput([5.0, 5.0], [10, 10]) is None
    assert measure_throughput([5.0, 5.005], [500, 500], began=4.999) is None  # as a copy is
