"""Captions as training rows, for tokenizers with and without a padding token."""

from collections.abc import Callable

import numpy as np
import pytest

from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.text.language_model import FrozenLanguageModel

CAPTIONS = ["a dog", "a small red cup on the green desk in the street", ""]


@pytest.mark.parametrize("family", ["opt", "gpt2", "llama"])
def test_rows_begin_end_and_are_masked(make_lm: Callable[..., FrozenLanguageModel], family: str) -> None:
    lm = make_lm(family)
    tokens = CaptionTokens(lm, CAPTIONS, max_tokens=9)
    assert len(tokens) == 3
    ids, mask = tokens.batch(np.array([2, 1, 0]))
    assert ids.shape == mask.shape == (3, 9)
    for row, kept in zip(ids, mask, strict=True):
        text = row[kept].tolist()
        assert text[0] == lm.bos_id
        assert text[-1] == lm.tokenizer.eos_token_id
    assert lm.text(ids[2][mask[2]].tolist()) == "a dog"
    assert lm.text(ids[1][mask[1]].tolist()) in CAPTIONS[1]
    assert mask.sum(1).tolist() == tokens.lengths[[2, 1, 0]].tolist()
    assert mask[0].sum() == 2  # an empty caption is BOS and EOS


def test_a_batch_is_as_wide_as_its_longest(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    tokens = CaptionTokens(make_lm(), CAPTIONS, max_tokens=25)
    ids, mask = tokens.batch(np.array([0]))
    assert ids.shape[1] == tokens.lengths[0] < tokens.lengths[1]
    assert mask.all()
