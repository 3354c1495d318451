import random

import pytest

from pipeline.texts.clean import Reason, clean


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("A dog runs.", "A dog runs."),
        ("  A\tdog\r\n runs .  ", "A dog runs ."),
        ("ein Hu\u0308ndchen", "ein H\u00fcndchen"),
        ("两只狗", "两只狗"),
        ("5 cats", "5 cats"),
        ("a 👩\u200d🚒 at work", "a 👩\u200d🚒 at work"),
        ("a\u2028dog\x85here", "a dog here"),
    ],
)
def test_a_caption_stays_as_written_but_for_white_space_and_nfc(text: str, kept: str) -> None:
    assert clean(text, 40) == (kept, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.EMPTY),
        (" \t\u3000\n", Reason.EMPTY),
        ("x" * 41, Reason.TOO_LONG),
        ("... !", Reason.NOT_TEXT),
        ("0 0.51 0.4 0.2 0.3", Reason.NOT_TEXT),
        ("1000268201_693b08cb0e.jpg", Reason.NAME),
        ("https://host/a.jpg", Reason.NAME),
        ("a \ufffd dog", Reason.NOT_TEXT),
        ("a cat \udcff", Reason.NOT_UTF8),
        ("a \x00 dog", Reason.NOT_TEXT),
        ("a \x1b[31m dog", Reason.NOT_TEXT),
    ],
)
def test_a_dropped_caption_has_a_reason(text: str, reason: Reason) -> None:
    assert clean(text, 40)[1] is reason


def test_the_length_that_counts_is_the_cleaned_one() -> None:
    assert clean("  " + "x" * 40 + "  ", 40)[1] is None


def test_cleaning_again_changes_nothing_and_no_line_feed_is_left() -> None:
    draw = random.Random(0)
    alphabet = "ab é e\u0301\t\n\r\x0b\x0c\x85\u2028\u00a0.\x00\ufffd"
    for _ in range(2000):
        cleaned, reason = clean("".join(draw.choices(alphabet, k=draw.randrange(12))), 10)
        if reason is None:
            assert clean(cleaned, 10) == (cleaned, None)
            assert len(cleaned.splitlines()) == 1
