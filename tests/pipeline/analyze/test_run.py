"""Also for stages.py: whole analyses in this process, of archives of many kinds."""

import json
from pathlib import Path
from typing import Any

import pytest

from maccap.bundle_files import NOISE
from pipeline.analyze.analysis import ANALYSIS_FILE, Analysis
from pipeline.analyze.captions import MOST
from pipeline.analyze.page import PAGE_FILE, PLOTS
from pipeline.analyze.run import analyze
from pipeline.caption import caption_archive
from pipeline.run.config import CaptionJobConfig
from pipeline.storage.errors import UserError
from pipeline.train.noise import MEASURED
from tests.images import encoded, picture, write_tar


def _tar(path: Path, images: int, first: int = 0, **metadata: Any) -> Path:
    """Images that each have a caption and the same metadata."""
    members = []
    for number in range(first, first + images):
        fields = {"caption": f"a dog and {number} cats", **metadata}
        members += [
            (f"{number}.jpg", encoded(picture(number))),
            (f"{number}.json", json.dumps(fields).encode()),
        ]
    return write_tar(path, members)


def _analysed(source: Path, output: Path, model: Path, *captions: str, **settings: Any) -> Analysis:
    config = CaptionJobConfig(**settings)
    return analyze(str(source), str(output), str(model), config, captions, local=True)


def test_the_same_in_one_chunk_and_in_many(small_bundle: Path, tmp_path: Path) -> None:
    _tar(tmp_path / "in" / "a.tar", 5)
    _tar(tmp_path / "in" / "b.tar", 4, first=5)
    whole = _analysed(tmp_path / "in", tmp_path / "one", small_bundle).findings
    parts = _analysed(tmp_path / "in", tmp_path / "many", small_bundle, chunk_rows=2).findings
    assert whole.counts == {**parts.counts, "other_pairs": 9}
    assert parts.counts["other_pairs"] == 8  # the fifth image of a.tar is a chunk alone
    for name in ("means", "variances", "skewnesses", "excess_kurtoses"):  # CLIP rounds by its batches
        assert getattr(parts.gap, name) == pytest.approx(getattr(whole.gap, name), abs=1e-3)
    for weighting, finding in whole.regions.items():
        assert parts.regions[weighting].own.rank_closer == finding.own.rank_closer
    assert parts.quantiles == pytest.approx(whole.quantiles, abs=1e-3)


def test_what_is_left_out_is_counted(small_bundle: Path, tmp_path: Path) -> None:
    captioned = [("a.jpg", encoded(picture(1))), ("a.txt", b"a dog\ntwo cats\na dog")]
    others = [("bad.jpg", b"no image"), ("bad.txt", b"a cat"), ("bare.jpg", encoded(picture(2)))]
    many = [
        ("many.jpg", encoded(picture(3))),
        ("many.txt", "\n".join(f"{n} cats" for n in range(30)).encode()),
    ]
    write_tar(tmp_path / "a.tar", [*captioned, *others, *many])
    found = _analysed(tmp_path / "a.tar", tmp_path / "out", small_bundle).findings
    counts = {"rows": 4, "images": 2, "errors": 1, "uncaptioned": 1, "pairs": 2 + MOST, "other_pairs": 2}
    assert found.counts == counts
    assert found.dropped_captions == {"duplicates": 1, f"beyond {MOST} per image": 30 - MOST}
    assert len(found.errors) == 1
    assert found.errors[0].startswith("a/bad: ")


def test_output_holds_numbers_plots_and_a_page_and_is_made_anew(small_bundle: Path, tmp_path: Path) -> None:
    source = _tar(tmp_path / "a.tar", 3)
    for limit in (3, 2):
        analysis = _analysed(source, tmp_path / "out", small_bundle, limit=limit)
        assert {path.name for path in (tmp_path / "out").iterdir()} == {
            *(ANALYSIS_FILE, PAGE_FILE, MEASURED, NOISE),
            *PLOTS,
        }
        assert Analysis.model_validate_json((tmp_path / "out" / ANALYSIS_FILE).read_text()) == analysis
        assert analysis.findings.counts["images"] == limit
    assert f"{limit} images with 2 captions" in (tmp_path / "out" / PAGE_FILE).read_text()


def test_an_output_of_something_else_is_refused(small_bundle: Path, tmp_path: Path) -> None:
    source = _tar(tmp_path / "a.tar", 2)
    for name in ("notes.txt", PAGE_FILE):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).touch()
        with pytest.raises(UserError, match=f"something else than an analysis, for instance {name}"):
            _analysed(source, folder, small_bundle)
        assert [path.name for path in folder.iterdir()] == [name]


def test_without_captions_the_fields_are_named(small_bundle: Path, tmp_path: Path) -> None:
    source = _tar(tmp_path / "a.tar", 2, rating=3)
    with pytest.raises(UserError, match=r"in the field alt. The fields there are: caption, rating. Name"):
        _analysed(source, tmp_path / "out", small_bundle, "alt")
    images = write_tar(tmp_path / "b.tar", [("a.jpg", encoded(picture(1)))])
    with pytest.raises(UserError, match=r"none of the first 1 samples .* no fields at all"):
        _analysed(images, tmp_path / "out", small_bundle)
    (tmp_path / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "coco.json").write_text(
        json.dumps({"images": [{"file_name": "a.jpg", "id": 1}], "annotations": [{"image_id": 1}]})
    )
    with pytest.raises(UserError, match=r"fields there are: file_name, id\. .* COCO JSON are not read"):
        _analysed(tmp_path / "coco.json", tmp_path / "out", small_bundle)
    assert not (tmp_path / "out").exists()


def test_images_that_all_are_damaged_are_an_error(small_bundle: Path, tmp_path: Path) -> None:
    source = write_tar(tmp_path / "a.tar", [("a.jpg", b"no image"), ("a.txt", b"a dog")])
    with pytest.raises(UserError, match=r"no image that can be read: 1 errors, for instance a/a: "):
        _analysed(source, tmp_path / "out", small_bundle)


def test_a_run_is_analysed_with_the_captions_it_wrote(small_bundle: Path, tmp_path: Path) -> None:
    source, run = _tar(tmp_path / "a.tar", 5, alt="two trees", captions=["x y", "z"]), tmp_path / "run"
    caption_archive(str(source), str(run), str(small_bundle), CaptionJobConfig(chunk_rows=2), local=True)
    own = _analysed(run, tmp_path / "own", small_bundle)
    assert own.findings.counts["pairs"] == own.findings.counts["images"] == 5
    assert own.taken_for.startswith("a run and its images, which are 1 tar")
    by_field = _analysed(run, tmp_path / "field", small_bundle, "alt").findings
    assert by_field.counts["pairs"] == 5
    assert by_field.gap.means != pytest.approx(own.findings.gap.means, abs=1e-3)
    assert by_field.counts["other_pairs"] == 0  # every image has the same caption
    assert by_field.regions["softmax"].other is None
    _tar(source, 6)
    with pytest.raises(UserError, match=r"images are not what they were: 1 changed"):
        _analysed(run, tmp_path / "changed", small_bundle)
