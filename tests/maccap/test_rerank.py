"""Reranking: cosines of CLIP's own text features, each text encoded once."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from maccap.image.clip import FrozenClip
from maccap.rerank import Reranker, best

ROWS = [["a dog", "a red cup on the desk", "a dog"], ["trees in the street", "a dog", ""], []]


def test_scores_are_cosines_in_order(
    make_clip: Callable[..., FrozenClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make_clip()
    torch.manual_seed(0)
    global_ = F.normalize(torch.randn(3, 32), dim=-1)
    for numbers_at_once in (1, 20 * 32, 1 << 20):
        monkeypatch.setattr("maccap.runtime.batch_sizes._NUMBERS_ON_CPU", numbers_at_once)
        scores = Reranker(clip)(ROWS, global_)
        assert [len(row) for row in scores] == [3, 3, 0]
        for row, texts, image in zip(scores, ROWS, global_, strict=True):
            for score, text in zip(row, texts, strict=True):
                theirs = clip.model.encode_text(clip.tokenize([text]), normalize=True)[0] @ image
                assert score == pytest.approx(float(theirs), abs=1e-5)
        assert scores[0][0] == scores[0][2] != scores[0][1]


@pytest.mark.parametrize("custom_text", [False, True])
def test_a_packed_projection_with_a_bias_scores_the_same(
    make_clip: Callable[..., FrozenClip], custom_text: bool
) -> None:
    """`proj_bias` makes the text projection a layer, which the text tower alone packs as any other."""
    global_ = F.normalize(torch.randn(3, 32, generator=torch.Generator().manual_seed(0)), dim=-1)
    kind = {"proj_bias": True, "custom_text": custom_text}
    clip, plain = make_clip(**kind).keep("text"), Reranker(make_clip(**kind))(ROWS, global_)
    projection = (clip.model.text if custom_text else clip.model).text_projection
    assert isinstance(projection, nn.Linear)
    for row, expected in zip(Reranker(clip)(ROWS, global_), plain, strict=True):
        assert row == pytest.approx(expected, abs=1e-5)


def test_a_text_is_encoded_once_however_often_it_is_drawn(make_clip: Callable[..., FrozenClip]) -> None:
    clip, encoded = make_clip(), []
    clip.model.token_embedding.register_forward_hook(lambda module, args, out: encoded.append(len(args[0])))
    scores = Reranker(clip)([["a dog"] * 5, ["a cat", "a dog", "a cat"]], torch.eye(2, 32))
    assert encoded == [2]
    assert len(set(scores[0])) == 1
    assert scores[1][0] == scores[1][2] != scores[1][1]


def test_half_precision_features_are_taken(make_clip: Callable[..., FrozenClip]) -> None:
    scores = Reranker(make_clip())([["a dog"]], torch.ones(1, 32, dtype=torch.float16))
    assert -1 <= scores[0][0] <= 1


def test_no_candidates_at_all(make_clip: Callable[..., FrozenClip]) -> None:
    assert Reranker(make_clip())([[], []], torch.ones(2, 32)) == [[], []]


def test_counts_must_match(make_clip: Callable[..., FrozenClip]) -> None:
    with pytest.raises(ValueError, match="candidates of 1 images, but features of 2"):
        Reranker(make_clip())([["a"]], torch.ones(2, 32))


def test_best_is_the_first_of_equals() -> None:
    assert best([0.1, 0.3, 0.3, -1.0]) == 1
    assert best([-0.5]) == 0
