"""clip_scores.py, clip_choice.py, images.py and export.py on a run whose images are there, and gone."""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image

from maccap.bundle import built_in_bundle_path
from maccap.config import ClipSource
from pipeline.evaluate.captions import Captions
from pipeline.evaluate.clip_choice import is_reranker
from pipeline.evaluate.clip_scores import PROMPT, ClipScores
from pipeline.evaluate.export import export
from pipeline.evaluate.join_references import all_rows, own_references
from pipeline.evaluate.metric import MetricScore, Remark
from pipeline.evaluate.references import Fields
from pipeline.storage.errors import UserError
from tests.images import encoded, picture, write_tar
from tests.pipeline.evaluate.runs import row, write_run

CLIP = ClipSource(name=str(built_in_bundle_path() / "clip"))
TEXTS = ["a dog on a beach", "two cats", None, "a car"]
REFERENCES = [["a dog", "a beach"], ["cats in a room"], ["a boat"], ["a red car", "a car"]]


def _captions(folder: Path, images: int = 4) -> Captions:
    shard = write_tar(
        folder / "s.tar", [(f"{n}.png", encoded(picture(n, 64, 64), "PNG")) for n in range(images)]
    )
    rows = [
        row(n, text, image_id=f"s/{n}", shard="s.tar", metadata=json.dumps({"captions": REFERENCES[n]}))
        for n, text in enumerate(TEXTS)
    ]
    model = str(built_in_bundle_path())
    facts = {"source": str(shard), "model": model, "max_bytes": 1 << 20, "max_pixels": 1 << 20}
    return own_references(write_run(folder / "run", rows, **facts), Fields())[0]


def _by_hand(place: int) -> tuple[float, float]:
    """CLIPScore and RefCLIPScore by open_clip alone."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{CLIP.name}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{CLIP.name}", bpe_path=f"{CLIP.name}/bpe.txt.gz")
    texts = [PROMPT + text for text in (TEXTS[place] or "", *REFERENCES[place])]
    with torch.no_grad():
        image = model.eval().encode_image(preprocess(picture(place, 64, 64))[None], normalize=True)
        caption, *others = model.encode_text(tokenizer(texts), normalize=True)
    score = 2.5 * max(float(image[0] @ caption), 0)
    closest = max(max(float(caption @ other) for other in others), 0)
    return score, 2 * score * closest / (score + closest)


def _scores(captions: Captions, clip: ClipSource | None = CLIP) -> tuple[dict[str, MetricScore], list[str]]:
    outcomes = list(ClipScores(clip).measure(captions))
    scores = {one.name: one for one in outcomes if isinstance(one, MetricScore)}
    return scores, [one.text for one in outcomes if isinstance(one, Remark)]


def test_scores_are_those_of_the_equations_and_a_missing_caption_is_zero(tmp_path: Path) -> None:
    scores, remarks = _scores(_captions(tmp_path))
    by_hand = [_by_hand(0), _by_hand(1), (0.0, 0.0), _by_hand(3)]
    for name, wanted in zip(("CLIPScore", "RefCLIPScore"), zip(*by_hand, strict=True), strict=True):
        assert scores[name].statistics[:, 0].tolist() == pytest.approx(wanted, abs=1e-4)
        assert scores[name].value() == pytest.approx(sum(wanted) / 4, abs=1e-4)
    (remark,) = remarks
    assert "chose the captions" in remark
    assert _scores(_captions(tmp_path / "own"), None)[1] == [remark.replace(str(tmp_path), f"{tmp_path}/own")]


def test_an_image_that_is_gone_does_not_count(tmp_path: Path) -> None:
    scores, remarks = _scores(_captions(tmp_path, images=3))
    assert scores["CLIPScore"].statistics[:, 1].tolist() == [1, 1, 1, 0]
    assert "without 1 images that could not be read again" in remarks[0]


def test_groups_are_scored_without_the_images_again(tmp_path: Path) -> None:
    captions, metric = _captions(tmp_path), ClipScores(CLIP)
    whole = next(iter(metric.measure(captions)))
    (tmp_path / "s.tar").unlink()
    part = next(iter(metric.measure(captions.take([1, 3]))))
    assert isinstance(whole, MetricScore)
    assert isinstance(part, MetricScore)
    assert part.statistics.tolist() == whole.statistics[[1, 3]].tolist()


def test_another_clip_is_told_from_the_reranker(tmp_path: Path) -> None:
    run = _captions(tmp_path).run
    assert is_reranker(run, CLIP)
    assert not is_reranker(run, ClipSource(name="ViT-B-32-quickgelu", pretrained="openai"))


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (ClipSource(name="ViT-Z"), "--clip ViT-Z cannot be used"),
        (ClipSource(name="ViT-B-32"), "add --clip-pretrained TAG"),
        (ClipSource(name="local-dir:/nowhere"), "is missing"),
    ],
)
def test_a_clip_that_is_not_known_is_refused_at_once(clip: ClipSource, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ClipScores(clip)


def test_the_export_has_captions_references_and_images(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    assert export(_captions(tmp_path, images=3), folder) == (3, 1)
    predictions = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
    references = [json.loads(line) for line in (folder / "references.jsonl").read_text().splitlines()]
    assert [one["caption"] for one in predictions] == ["a dog on a beach", "two cats", ""]
    assert [one["references"] for one in references] == REFERENCES[:3]
    assert [one["id"] for one in references] == [one["id"] for one in predictions] == ["s/0", "s/1", "s/2"]
    for number, one in enumerate(predictions):
        with Image.open(folder / "images" / one["image"]) as image:
            assert image.tobytes() == picture(number, 64, 64).tobytes()
    with pytest.raises(UserError, match="Name a new folder"):
        export(all_rows(str(tmp_path / "run")), folder)
