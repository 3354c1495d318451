import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from jobs.caption import main as caption
from jobs.explain import main
from pipeline.storage.errors import UserError
from tests.images import encoded, picture


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Path:
    """Three images, one of them damaged."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "images").mkdir()
    for number in range(2):
        (folder / "images" / f"{number}.jpg").write_bytes(encoded(picture(number)))
    (folder / "images" / "bad.jpg").write_bytes(encoded(picture(3))[:300])
    caption(str(folder / "images"), str(folder / "run"), model=str(small_bundle), local=True)
    return folder / "run"


def test_a_caption_is_explained_in_text_and_in_a_picture(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(str(run), "0.jpg", tmp_path / "out" / "page.png")
    out = capsys.readouterr().out
    row = next(r for r in pq.read_table(run / "captions").to_pylist() if r["image_id"] == "0.jpg")
    assert out.startswith("0.jpg  (row 0 of shard images-000000)\n")
    assert all(f"{c['clip_score']:.3f}" in out for c in row["candidates"])
    assert "captioned again, by the same keys: the same candidates" in out
    assert "regions: 4, one around each of these" in out
    last = json.loads(out.splitlines()[-1])
    assert last["same"] is True
    assert last["row"]["caption"] == row["caption"]
    with Image.open(tmp_path / "out" / "page.png") as page:
        assert page.width > 1000
        assert page.height > 500


def test_an_error_is_explained_by_its_reason(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(str(run), "bad.jpg", tmp_path / "page.png")
    out = capsys.readouterr().out
    assert "error: damaged image" in out
    assert "captioned again, by the same keys: the same error" in out
    assert (tmp_path / "page.png").exists()


def test_what_is_not_there_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no image 'x\.jpg'; its ids are like 0\.jpg, 1\.jpg, bad\.jpg"):
        main(str(run), "x.jpg", tmp_path / "page.png")
    with pytest.raises(UserError, match="is no run"):
        main(str(tmp_path / "none"), "x.jpg", tmp_path / "page.png")
    with pytest.raises(UserError, match=r"must end in \.png"):
        main(str(run), "0.jpg", tmp_path / "page.jpg")


def test_another_model_is_refused(run: Path, tmp_path: Path) -> None:
    from maccap.bundle import built_in_bundle_path

    with pytest.raises(UserError, match="is another than the run's"):
        main(str(run), "0.jpg", tmp_path / "page.png", str(built_in_bundle_path()))
    with pytest.raises(UserError, match="Say where it lies now with --model"):
        main(str(run), "0.jpg", tmp_path / "page.png", str(tmp_path / "gone"))
