"""VQA accuracy by the official rule: normalisation, leave-one-out, its quirks."""

import pytest

from pipeline.evaluate.vqa_accuracy import normalise_prediction, vqa_accuracy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The two dogs", "2 dogs"),
        ("a  cat\tand\nan owl", "cat and owl"),
        ("none", "0"),
        ("Ten", "10"),
        ("eleven", "eleven"),
        ("dont", "don't"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("yall'd've", "y'all'd've"),
        ("somebody'd", "somebodyd"),  # as in the reference
        ("Im", "im"),
        ("yes.", "yes"),
        ("U.S.", "us"),
        ("3.5", "3.5"),
        ("at 3.", "at 3"),
        ("1,000", "1000"),
        ("1,000 red-hot", "1000 redhot"),
        ("black-and-white", "black and white"),
        ("black - white", "black white"),
        ("cat/dog", "cat dog"),
        ("cat, dog", "cat dog"),
        ("cat,dog", "cat dog"),
        ("stop!", "stop"),
        ("10:30", "10:30"),
        ("it's", "it's"),
        ("." * 40, "." * 8),  # 32 periods are removed
        ("the", ""),
    ],
)
def test_normalisation(text: str, expected: str) -> None:
    assert normalise_prediction(text) == expected


def test_leave_one_out() -> None:
    """Of ten answers with n matches, n are left out with n - 1 others and 10 - n with n."""

    def accuracy(matches: int) -> float:
        return vqa_accuracy("cat", ["cat"] * matches + ["dog"] * (10 - matches))

    assert [accuracy(matches) for matches in range(5)] == pytest.approx([0, 0.3, 0.6, 0.9, 1])
    assert accuracy(10) == 1
    assert vqa_accuracy("cat", ["cat"] * 2 + ["dog"]) == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    assert vqa_accuracy("cat", ["cat"] * 3) == pytest.approx(2 / 3)


def test_a_prediction_is_normalised_and_human_answers_lose_punctuation_where_they_differ() -> None:
    assert vqa_accuracy("Yes.", ["yes"] * 10) == 1
    assert vqa_accuracy("yes", ["Yes"] * 10) == 0
    assert vqa_accuracy("a dog", ["dog"] * 10) == 1
    assert vqa_accuracy("dog", ["a dog"] * 9 + ["dog"]) == pytest.approx(0.3)
    assert vqa_accuracy("two", ["2"] * 10) == 1
    assert vqa_accuracy("2", ["two"] * 9 + ["2"]) == pytest.approx(0.3)
    assert vqa_accuracy("dont", ["don't"] * 10) == 1
    assert vqa_accuracy("1,000", ["1,000"] * 10) == 0
    assert vqa_accuracy("1,000", ["1,000"] * 9 + ["many"]) == 1
    assert vqa_accuracy("yes", ["yes!"] * 10) == 0
    assert vqa_accuracy("yes", ["yes!"] * 9 + ["no"]) == 0  # a mark at the end becomes a space there


def test_a_single_answer_is_matched() -> None:
    assert vqa_accuracy("Two.", ["2"]) == 1
    assert vqa_accuracy("3", ["2"]) == 0
    with pytest.raises(ValueError, match="at least one"):
        vqa_accuracy("3", [])
