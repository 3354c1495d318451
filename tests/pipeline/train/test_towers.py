import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers

from maccap.bundle import built_in_bundle_path
from maccap.image.clip import FrozenClip
from pipeline.storage.errors import UserError
from pipeline.train.towers import choose_towers
from tests.maccap.hostile_model import put_code


def test_models_are_told_apart_by_their_files_and_not_by_where_they_lie(
    tmp_path: Path, small_bundle: Path
) -> None:
    shutil.copytree(small_bundle, tmp_path / "copy")
    here, there = (choose_towers(str(url), None, None, None) for url in (small_bundle, tmp_path / "copy"))
    assert here.clip_fingerprint == there.clip_fingerprint
    assert here.llm_fingerprint == there.llm_fingerprint
    named = choose_towers(None, str(small_bundle / "clip"), None, str(small_bundle / "llm"))
    assert named.clip_fingerprint == here.clip_fingerprint
    assert named.carried("clip")
    config = tmp_path / "copy" / "config.json"
    config.write_text(config.read_text().replace('"name": "clip"', '"name": "local-dir:clip"'))
    assert choose_towers(str(tmp_path / "copy"), None, None, None).clip_fingerprint == here.clip_fingerprint
    assert choose_towers(None, None, None, None).init == str(built_in_bundle_path())


def test_another_process_opens_the_bundle_itself(small_bundle: Path) -> None:
    towers = choose_towers(str(small_bundle), None, None, None)
    assert towers.bundle is not None
    travelled = pickle.loads(pickle.dumps(towers))
    assert travelled == towers
    assert "bundle" not in vars(travelled)
    assert travelled.clip_fingerprint == towers.clip_fingerprint


def test_a_bundles_own_clip_may_be_named_beside_it(small_bundle: Path) -> None:
    towers = choose_towers(str(small_bundle), str(small_bundle / "clip"), None, None)
    assert towers.init == str(small_bundle)


def test_a_name_is_not_carried(small_bundle: Path) -> None:
    towers = choose_towers(None, "ViT-B-32-quickgelu", "openai", str(small_bundle / "llm"))
    assert not towers.carried("clip")
    assert towers.carried("llm")


def test_weights_beside_those_of_a_folder_are_refused(small_bundle: Path) -> None:
    """The folder's would be taken."""
    clip = str(small_bundle / "clip")
    for llm in (None, str(small_bundle / "llm")):
        with pytest.raises(UserError, match="is a folder, whose weights are in it; leave --pretrained out"):
            choose_towers(None if llm else str(small_bundle), clip, "other.pt", llm)


def test_damaged_weights_are_named(small_bundle: Path, tmp_path: Path) -> None:
    for part in ("clip", "llm"):
        shutil.copytree(small_bundle / part, tmp_path / part)
    towers = choose_towers(None, str(tmp_path / "clip"), None, str(tmp_path / "llm"))
    for weights in tmp_path.rglob("*.safetensors"):
        weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match=f"CLIP {tmp_path}/clip cannot be loaded"):
        towers.load_clip()
    with pytest.raises(UserError, match=f"language model {tmp_path}/llm cannot be loaded"):
        towers.load_lm()


def test_a_file_of_weights_is_carried(small_bundle: Path) -> None:
    """A bundle names no file outside it."""
    weights = str(small_bundle / "clip" / "open_clip_model.safetensors")
    assert choose_towers(None, "ViT-B-32", weights, str(small_bundle / "llm")).carried("clip")


def test_a_model_of_code_is_refused_before_anyone_is_asked_to_run_it(
    tmp_path: Path, small_bundle: Path
) -> None:
    put_code(tmp_path / "llm", tmp_path / "ran")
    with pytest.raises(UserError, match="a model with code of its own, which is never run"):
        choose_towers(None, str(small_bundle / "clip"), None, str(tmp_path / "llm"))
    assert not (tmp_path / "ran").exists()


def test_models_that_do_not_go_together_are_refused_in_one_line(
    tmp_path: Path, small_bundle: Path, make_clip: Callable[..., FrozenClip]
) -> None:
    make_clip(seed=1).save(tmp_path / "clip")
    bundle, clip, llm = str(small_bundle), str(tmp_path / "clip"), str(small_bundle / "llm")
    for arguments, message in (
        ((bundle, clip, None, None), "has another CLIP"),
        ((bundle, None, None, llm), "leave --llm out"),
        ((None, clip, None, None), "--clip needs a language model"),
        ((None, None, None, llm), "--llm needs a CLIP"),
        ((None, None, "openai", None), "give --clip too"),
        ((None, "ViT-B-32", None, llm), "add --pretrained"),
        ((None, "ViT-Z-99", "openai", llm), "neither a folder nor a name"),
        ((None, clip, None, clip), "language model .*clip cannot be used"),
        ((str(tmp_path), None, None, None), r"holds no config\.json"),
    ):
        with pytest.raises(UserError, match=message) as error:
            choose_towers(*arguments)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [transformers.T5Config, transformers.BertConfig])
def test_what_is_no_causal_language_model_is_refused_before_captions_are_encoded(
    small_bundle: Path, tmp_path: Path, kind: type[transformers.PreTrainedConfig]
) -> None:
    made = "T5ForConditionalGeneration" if kind is transformers.T5Config else "BertForMaskedLM"
    kind(architectures=[made]).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=f"{made} is no causal language model"):
        choose_towers(None, str(small_bundle / "clip"), None, str(tmp_path))
