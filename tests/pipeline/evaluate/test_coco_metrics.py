"""coco_metrics.py, meteor.py and coco_tokens.py against coco-caption's own evaluation, run beside them."""

import shutil

import numpy as np
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from pipeline.evaluate.captions import Captions
from pipeline.evaluate.coco_metrics import BLEU, CIDER, METEOR, ROUGE, CocoMetrics
from pipeline.evaluate.coco_tokens import tokenised
from pipeline.evaluate.metric import MetricScore, NotComputed
from tests.pipeline.evaluate.runs import captions_of, human_against_human

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="coco-caption's tokeniser needs Java")


def _official(captions: Captions, meteor: Meteor) -> dict[str, float]:
    """As coco-caption's `COCOEvalCap.evaluate` does it."""
    rows = dict(enumerate(captions.rows))
    tokenizer = PTBTokenizer()
    wanted = tokenizer.tokenize(
        {n: [{"caption": text} for text in row.references] for n, row in rows.items()}
    )
    said = tokenizer.tokenize({n: [{"caption": row.caption or ""}] for n, row in rows.items()})
    scores = dict(zip(BLEU, Bleu(4).compute_score(wanted, said, verbose=0)[0], strict=True))
    for name, scorer in ((METEOR, meteor), (ROUGE, Rouge()), (CIDER, Cider())):
        scores[name] = float(scorer.compute_score(wanted, said)[0])
    return scores


@pytest.fixture(scope="module")
def meteor() -> Meteor:
    return Meteor()


@pytest.fixture(scope="module")
def metrics() -> CocoMetrics:
    return CocoMetrics()


def _ours(metrics: CocoMetrics, captions: Captions) -> dict[str, MetricScore]:
    measured = list(metrics.measure(captions))
    assert all(isinstance(one, MetricScore) for one in measured), measured
    return {one.name: one for one in measured}


@needs_java
def test_human_captions_score_as_the_official_code_scores_them(metrics: CocoMetrics, meteor: Meteor) -> None:
    captions = human_against_human()
    ours = {name: one.value() for name, one in _ours(metrics, captions).items()}
    assert ours == pytest.approx(_official(captions, meteor), abs=1e-9)


@needs_java
def test_a_row_without_a_caption_costs_every_score(metrics: CocoMetrics, meteor: Meteor) -> None:
    captions = human_against_human()
    rows = captions.rows
    holed = captions_of([None, *(row.caption for row in rows[1:])], [row.references for row in rows])
    ours = {name: one.value() for name, one in _ours(metrics, holed).items()}
    assert ours == pytest.approx(_official(holed, meteor), abs=1e-9)
    whole = {name: one.value() for name, one in _ours(metrics, captions).items()}
    assert all(ours[name] < whole[name] for name in (METEOR, ROUGE, CIDER))


@needs_java
def test_the_scores_of_drawn_images_are_those_of_the_official_code(
    metrics: CocoMetrics, meteor: Meteor
) -> None:
    """A caption that a reference matches whole is one of those drawn: METEOR adds it up in its own way."""
    rows = human_against_human().rows
    texts = [rows[0].references[0], *(row.caption for row in rows[1:])]
    references = [row.references for row in rows]
    ours = _ours(metrics, captions_of(texts, references))
    drawn = [0, *np.random.default_rng(0).integers(0, len(rows), len(rows)).tolist()]
    official = _official(captions_of([texts[n] for n in drawn], [references[n] for n in drawn]), meteor)
    for name in (*BLEU, METEOR, ROUGE):
        sums = ours[name].statistics[drawn].sum(axis=0, keepdims=True)
        assert float(ours[name].aggregate(sums)[0]) == pytest.approx(official[name], abs=1e-9), name


@needs_java
def test_no_caption_moves_another_out_of_its_place() -> None:
    odd = ["a dog", "", "a cat\non a\u2028mat", None, "...", "a \x0bb", "caf\u00e9 \ud800", "x ||| y", "  "]
    tokens = tokenised(captions_of(odd, [["a", "", "b"]] * len(odd)))
    assert [tokens.captions[n][0] for n in range(6)] == ["a dog", "", "a cat on a mat", "", "", "a b"]
    assert tokens.captions[6][0].startswith("café")
    assert tokens.captions[7] == ["x y"]
    assert tokens.references[8] == ["a", "", "b"]


@needs_java
def test_one_image_has_no_cider(metrics: CocoMetrics) -> None:
    outcomes = list(metrics.measure(captions_of(["a dog"], [["a dog runs"]])))
    (missing,) = [one for one in outcomes if isinstance(one, NotComputed)]
    assert missing.names == (CIDER,)
    assert "two images" in missing.reason


def test_without_java_nothing_goes_under_these_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (missing,) = CocoMetrics(spice=True).measure(human_against_human())
    assert isinstance(missing, NotComputed)
    assert missing.names == (*BLEU, METEOR, ROUGE, CIDER, "SPICE")
    assert "needs Java" in missing.reason


def test_without_the_package_other_scores_are_still_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.storage.extras.find_spec", lambda _: None)
    (missing,) = CocoMetrics().measure(human_against_human())
    assert isinstance(missing, NotComputed)
    assert "pip install 'maccap[eval]'" in missing.reason


def test_captions_without_references_have_none_of_these_scores() -> None:
    assert not list(CocoMetrics().measure(captions_of(["a dog", "a cat"])))
