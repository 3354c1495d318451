"""Also for facts.py and local.py; ray_train.py runs in tests/jobs/test_train.py: a whole run in this
process, from captions to a bundle that captions.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maccap import Captioner
from maccap.bundle import Bundle
from maccap.config import RerankConfig
from pipeline.storage.errors import UserError
from pipeline.texts import CaptionSet
from pipeline.train.config import TrainJobConfig
from pipeline.train.run import TrainSummary, train_bundle
from pipeline.train.towers import Towers, choose_towers

Run = Callable[..., TrainSummary]


@pytest.fixture
def run(captions: CaptionSet, towers: Towers, make_config: Callable[..., TrainJobConfig]) -> Run:
    def run(output: Path | str, chosen: Towers = towers, **settings: object) -> TrainSummary:
        return train_bundle(captions, str(output), chosen, make_config(**settings), local=True)

    return run


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_captions_become_a_bundle_that_captions_images(
    tmp_path: Path, run: Run, captions: CaptionSet, small_bundle: Path, photos: list[Image.Image]
) -> None:
    output = tmp_path / "bundle"
    summary = run(output)
    assert (summary.captions, summary.held_out, summary.new_steps, summary.newly_encoded) == (54, 6, 12, 60)
    assert summary.held_out_loss is not None
    assert json.loads((output / "summary.json").read_text()) == summary.model_dump()
    assert (output / "_SUCCESS").exists()
    assert (output / "training.png").exists()
    assert not (output / "checkpoints").exists()

    given, made = Bundle.open(small_bundle), Bundle.open(output)
    assert made.config.training is not None
    assert made.config.training.steps == summary.steps
    trained = {"training": made.config.training, "training_data": captions.fingerprint}
    assert made.config == given.config.model_copy(update=trained)
    written = Captioner.from_pretrained(output).caption(photos[:2])
    assert all(isinstance(caption.text, str) for caption in written)
    for part in ("clip/open_clip_model.safetensors", "llm/model.safetensors"):
        assert (output / part).read_bytes() == (small_bundle / part).read_bytes()


def test_what_the_bundle_chooses_by_is_a_setting_of_its_training(tmp_path: Path, run: Run) -> None:
    output = tmp_path / "bundle"
    run(output, rerank={"logprob_weight": 0.5})
    assert Bundle.open(output).config.rerank == RerankConfig(logprob_weight=0.5)
    with pytest.raises(UserError, match="rerank"):
        run(output)
    run(tmp_path / "plain")
    assert "rerank" not in (tmp_path / "plain/config.json").read_text()


def test_output_and_cache_may_be_urls(
    tmp_path: Path, run: Run, photos: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path / "here"))
    url = f"memory://{tmp_path.name}"
    summary = run(f"{url}/bundle", cache=f"{url}/cache")
    assert (summary.output, summary.newly_encoded) == (f"{url}/bundle", 60)
    assert Captioner.from_pretrained(f"{url}/bundle").caption(photos[:1])
    assert run(f"{url}/bundle", cache=f"{url}/cache").new_steps == 0


def test_a_finished_run_again_touches_nothing(tmp_path: Path, run: Run) -> None:
    first = run(tmp_path / "bundle")
    before = _contents(tmp_path)
    again = run(tmp_path / "bundle")
    assert again == first.model_copy(update={"new_steps": 0, "newly_encoded": 0})
    assert _contents(tmp_path) == before


def test_a_second_run_on_the_same_captions_encodes_nothing(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "first")
    before = _contents(tmp_path / "cache")
    summary = run(tmp_path / "second", training={"seed": 1})
    assert summary.newly_encoded == 0
    assert _contents(tmp_path / "cache") == before


def test_features_that_were_moved_are_encoded_again_and_said_in_one_line(
    tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "first")
    (file,) = (tmp_path / "cache").rglob("*.npy")
    whole = file.read_bytes()
    np.save(file, np.roll(np.load(file), 1, axis=0))
    summary = run(tmp_path / "second")
    assert summary.newly_encoded == 60
    assert f"1 files in the cache {file.parent} are damaged" in capsys.readouterr().err
    assert file.read_bytes() == whole
    first, second = (tmp_path / name / "adaptor.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_a_bundle_is_written_that_a_kill_left_unwritten(tmp_path: Path, run: Run) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(whole)
    (tmp_path / "cut").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.train.run.write_bundle", _out_of_space)
        with pytest.raises(Exception, match="the bundle cannot be written"):
            run(cut)
    summary = run(cut)
    assert summary.new_steps == 0
    assert (cut / "adaptor.safetensors").read_bytes() == (whole / "adaptor.safetensors").read_bytes()


def _out_of_space(*arguments: object, **settings: object) -> None:
    raise OSError(28, "No space left on device")


def test_another_run_in_the_same_folder_is_refused_with_what_differs(
    tmp_path: Path, run: Run, captions: CaptionSet, towers: Towers, make_config: Callable[..., TrainJobConfig]
) -> None:
    output = tmp_path / "bundle"
    run(output)
    before = _contents(output)
    with pytest.raises(UserError, match=r"training\.seed: was 0, now 5\nRepeat"):
        run(output, training={"seed": 5})
    with pytest.raises(UserError, match=r"adaptor\.queries: was 6, now 3"):
        run(output, adaptor={"queries": 3})
    fewer = replace(captions, texts=captions.texts[:-1])
    with pytest.raises(UserError, match="caption_count: was 60, now 59") as error:
        train_bundle(fewer, str(output), towers, make_config(), local=True)
    assert "clip" not in str(error.value)
    assert _contents(output) == before
    run(output, evaluate_every=5, samples=1)  # changes nothing that is learnt


def test_a_warm_start_begins_with_the_bundles_adaptor(
    tmp_path: Path, run: Run, small_bundle: Path, make_config: Callable[..., TrainJobConfig]
) -> None:
    slow = {"steps": 1, "learning_rate": 1e-9}
    run(tmp_path / "warm", warm_start=True, training=slow)
    run(tmp_path / "fresh", training=slow)
    given, warm, fresh = (
        Bundle.open(url).load_adaptor().queries
        for url in (small_bundle, tmp_path / "warm", tmp_path / "fresh")
    )
    torch.testing.assert_close(warm, given, atol=1e-6, rtol=0)
    assert not torch.allclose(fresh, given, atol=0.1)
    with pytest.raises(UserError, match="the bundle's own sizes"):
        run(tmp_path / "other", warm_start=True, adaptor={"queries": 3})
    named = choose_towers(None, str(small_bundle / "clip"), None, str(small_bundle / "llm"))
    with pytest.raises(UserError, match="--init"):
        run(tmp_path / "none", named, warm_start=True)


def test_a_memory_of_training_captions_is_kept_where_it_is_asked_for(
    tmp_path: Path, run: Run, photos: list[Image.Image]
) -> None:
    run(tmp_path / "bundle", memory={"size": 20}, noise_variance=0, half=True)
    bundle = Bundle.open(tmp_path / "bundle")
    assert bundle.load_memory().shape == (20, 32)
    assert Captioner.from_pretrained(tmp_path / "bundle").caption(photos[:1])


def test_regions_may_read_parts_of_captions(tmp_path: Path, run: Run, photos: list[Image.Image]) -> None:
    regions = {"count": 3, "weighting": "attention", "text": "phrases"}
    summary = run(tmp_path / "bundle", regions=regions)
    assert summary.newly_encoded == 60  # captions; their parts are no captions
    assert Bundle.open(tmp_path / "bundle").config.regions.text == "phrases"
    assert Captioner.from_pretrained(tmp_path / "bundle").caption(photos[:1])
    again = run(tmp_path / "again", regions=regions)
    assert (again.newly_encoded, again.loss) == (0, summary.loss)
    plain = run(tmp_path / "plain", regions={**regions, "text": "repeat"})
    assert plain.loss != summary.loss


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"training": {"batch": 55}}, "there are 54 captions to train on"),
        ({"held_out": 60}, "leaves none to train on"),
        ({"workers": 2}, "need Ray"),
        ({"adaptor": {"heads": 5}}, "adaptor.clip_dim 32 must be a multiple of adaptor.heads 5"),
        ({"training": {"accumulate": 3}}, "set training.batch"),
        ({"training": {"learning_rate": 1e30, "warmup": 0}}, "lower training.learning_rate"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    tmp_path: Path, run: Run, settings: dict, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        run(tmp_path / "bundle", **settings)
    assert "\n" not in str(error.value)


def test_a_folder_with_other_things_or_that_is_none_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"not empty and holds no train\.json"):
        run(tmp_path / "full")
    with pytest.raises(UserError, match="cannot be"):
        run(tmp_path / "full" / "thesis.txt" / "below")


def test_a_trained_bundle_says_where_its_texts_lie(tmp_path: Path, run: Run) -> None:
    regions = {"count": 3, "weighting": "attention"}
    run(tmp_path / "repeat", regions=regions)
    run(tmp_path / "phrases", regions={**regions, "text": "phrases"})
    repeat, phrases = (Bundle.open(tmp_path / name).load_text_statistics() for name in ("repeat", "phrases"))
    assert repeat is not None
    assert phrases is not None
    assert repeat.mean.shape == repeat.deviation.shape == (32,)
    assert not torch.allclose(repeat.mean, phrases.mean, atol=1e-4)
