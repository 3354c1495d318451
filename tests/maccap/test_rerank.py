"""Reranking: cosines of CLIP's own text features, each text encoded once, and what is chosen by them."""

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from maccap.adaptor.gap import GapCorrection
from maccap.config import RerankConfig
from maccap.image.clip import FrozenClip
from maccap.rerank import Reranker, best
from maccap.sampler import Candidate

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


def test_texts_that_differ_in_capitals_alone_are_one(make_clip: Callable[..., FrozenClip]) -> None:
    clip, encoded = make_clip(), []
    clip.model.token_embedding.register_forward_hook(lambda module, args, out: encoded.append(len(args[0])))
    (scores,) = Reranker(clip)([["A dog.", "a red cup", "a dog.", "a  dog."]], torch.eye(1, 32))
    assert encoded == [2]
    assert scores[0] == scores[2] == scores[3] != scores[1]


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


def drawn(**logprobs: float) -> list[Candidate]:
    return [Candidate(text.replace("_", " "), logprob) for text, logprob in logprobs.items()]


def test_the_closest_is_chosen_whatever_else_is_known(make_clip: Callable[..., FrozenClip]) -> None:
    clip, images = make_clip(), F.normalize(torch.randn(2, 32), dim=-1)
    gap = GapCorrection(torch.zeros(32), torch.zeros(32, 32), torch.ones(32))
    rows = [drawn(a_dog=-math.inf, a_cat=0.0, two_cups=math.nan), drawn(trees=-1.0)]
    chosen = Reranker(clip, RerankConfig(), gap).choose(rows, images)
    expected = Reranker(clip)([[one.text for one in row] for row in rows], images)
    assert [one.clip_scores for one in chosen] == expected
    assert [one.winner for one in chosen] == [best(scores) for scores in expected]


def test_a_candidate_that_is_likely_wins_where_that_counts(make_clip: Callable[..., FrozenClip]) -> None:
    clip, images = make_clip(), F.normalize(torch.randn(1, 32), dim=-1)
    [scores] = Reranker(clip)([["a dog", "a cat"]], images)
    farther, apart = int(scores[0] > scores[1]), abs(scores[0] - scores[1])
    row = [
        Candidate(text, -1.0 if index == farther else -2.0) for index, text in enumerate(("a dog", "a cat"))
    ]
    for weight, winner in ((0.9 * apart, 1 - farther), (1.1 * apart, farther)):
        [chosen] = Reranker(clip, RerankConfig(logprob_weight=weight)).choose([row], images)
        assert chosen.winner == winner
        assert chosen.clip_scores == scores


def test_what_has_no_log_probability_is_the_last_choice(make_clip: Callable[..., FrozenClip]) -> None:
    reranker = Reranker(make_clip(), RerankConfig(logprob_weight=0.01))
    row = drawn(a_dog=math.nan, a_cat=-900.0, two_cups=-math.inf)
    assert reranker.choose([row], torch.ones(1, 32))[0].winner == 1


def test_the_image_counts_as_the_gap_moves_it_too(make_clip: Callable[..., FrozenClip]) -> None:
    clip, images = make_clip(), F.normalize(torch.randn(1, 32), dim=-1).half()
    texts = ("a dog", "a cat", "a red cup on the desk")
    [scores] = Reranker(clip)([texts], images)
    for index, text in enumerate(texts):
        to = clip.encode_text([text])[0]
        gap = GapCorrection(torch.zeros(32), torch.zeros(32, 32), to)
        reranker = Reranker(clip, RerankConfig(closed_gap=True), gap)
        [chosen] = reranker.choose([[Candidate(text, 0.0) for text in texts]], images)
        closed = (clip.encode_text(list(texts)) @ to).tolist()
        assert closed[index] == pytest.approx(1)
        assert chosen.winner == best([a + b for a, b in zip(scores, closed, strict=True)])
        assert chosen.clip_scores == scores
