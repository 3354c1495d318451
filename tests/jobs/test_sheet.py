"""`maccap sheet` over real runs of a tiny model: tars of scenes, and a folder of a user's images."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.sheet import main, write_sheet
from maccap.scenes.world.archive import ArchiveConfig, write_archive
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process
from pipeline.inspect.examples import load_images, pick_examples, reference
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.storage.errors import UserError
from tests.images import encoded, picture


def _caption(source: Path, output: Path, model: Path) -> str:
    config, bundle, plan = CaptionJobConfig(chunk_rows=5), open_bundle(str(model)), plan_source(str(source))
    facts = run_facts(str(source), plan, str(model), bundle, config, "float32")
    folder = RunFolder(str(output))
    folder.begin(facts)
    folder.pin(plan.shards)
    stages = CaptionStages(str(output), bundle.pixel_spec(), facts, config)
    assert list(caption_in_process(stages, [ShardWork(shard) for shard in plan.shards]))
    return str(output)


@pytest.fixture(scope="module")
def scenes_run(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> str:
    folder = tmp_path_factory.mktemp("scenes_run")
    config = ArchiveConfig(split="test", count=14, seed=1, size=64, per_shard=7)
    assert list(write_archive(folder / "scenes", config))
    return _caption(folder / "scenes", folder / "run", small_bundle)


@pytest.fixture(scope="module")
def photos_run(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> str:
    folder = tmp_path_factory.mktemp("photos_run")
    (folder / "photos" / "sub").mkdir(parents=True)
    for number, size in enumerate([(40, 90), (200, 30), (64, 64)]):
        (folder / "photos" / "sub" / f"{number}.jpg").write_bytes(encoded(picture(number, *size)))
    (folder / "photos" / "naïve 猫.png").write_bytes(encoded(picture(9), "PNG"))
    (folder / "photos" / "broken.jpg").write_bytes(b"no image")
    return _caption(folder / "photos", folder / "run", small_bundle)


def test_examples_are_random_and_fixed(scenes_run: str) -> None:
    some = pick_examples(scenes_run, 6, seed=2)
    assert some == pick_examples(scenes_run, 6, seed=2)
    assert some != pick_examples(scenes_run, 6, seed=3)
    assert len({example.image_id for example in some}) == 6
    assert all(example.caption is not None and example.reference for example in some)
    assert len(pick_examples(scenes_run, 100)) == 14


def test_each_example_gets_its_own_image(photos_run: str) -> None:
    examples = pick_examples(photos_run, 10)
    images = load_images(photos_run, examples)
    photos = Path(photos_run).parent / "photos"
    assert images == {example.image_id: (photos / example.image_id).read_bytes() for example in examples}


def test_images_are_found_in_tars(scenes_run: str) -> None:
    examples = pick_examples(scenes_run, 14)
    images = load_images(scenes_run, examples)
    assert len(set(images.values())) == len(images) == 14
    assert all(data.startswith(b"\xff\xd8") for data in images.values())


@pytest.mark.parametrize("images", [1, 5, 14])
def test_a_sheet_is_a_png_of_cards(scenes_run: str, tmp_path: Path, images: int) -> None:
    assert write_sheet(scenes_run, tmp_path / "new" / "sheet.png", images, 0) == images
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.format == "PNG"
        assert (sheet.width > 1000) == (images >= 5)
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 50


def test_the_same_run_and_seed_draw_the_same_sheet(
    photos_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png"):
        main(photos_run, tmp_path / name, images=5, seed=1)
        assert json.loads(capsys.readouterr().out) == {"sheet": str(tmp_path / name), "images": 5}
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_moved_image_leaves_a_grey_tile(
    scenes_run: str, photos_run: str, small_bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(Path(photos_run).parent / "photos", tmp_path / "photos")
    run = _caption(tmp_path / "photos", tmp_path / "run", small_bundle)
    before = load_images(run, pick_examples(run, 10))
    (tmp_path / "photos" / "sub" / "1.jpg").unlink()
    after = load_images(run, pick_examples(run, 10))
    assert after.keys() < before.keys()
    assert write_sheet(run, tmp_path / "sheet.png", 5, 0) == 5
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    assert (np.abs(colours.astype(int) - 214).max(axis=1) < 6).mean() > 0.1


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ('{"captions": ["first", "second"], "caption": "other"}', "first"),
        ('{"caption": "one"}', "one"),
        ('{"txt": "alt text"}', "alt text"),
        ('{"captions": [], "caption": 7}', None),
        ("[1]", None),
        ("no json", None),
        ("[" * 100_000, None),
        ('{"caption": ' + "[" * 100_000, None),
        (None, None),
    ],
)
def test_reference(metadata: str | None, expected: str | None) -> None:
    assert reference(metadata) == expected


def test_a_users_mistake_is_one_clear_message(scenes_run: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions"):
        write_sheet(str(tmp_path), tmp_path / "sheet.png", 5, 0)
    with pytest.raises(UserError, match=r"must end in \.png"):
        write_sheet(scenes_run, tmp_path / "sheet.jpg", 5, 0)
