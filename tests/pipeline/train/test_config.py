from pathlib import Path

import pytest

from maccap.bundle import Bundle
from maccap.config import PAPER_DECODING, RerankConfig, TrainingConfig
from pipeline.storage.errors import UserError
from pipeline.train.config import TrainJobConfig, load_train_config


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "train.yaml"
    path.write_text(text)
    return path


def test_without_bundle_and_file_the_methods_own_defaults_hold() -> None:
    config = load_train_config(None, {"training": {"steps": None}, "cache": None})
    assert config == TrainJobConfig()
    assert config.training == TrainingConfig()
    assert (config.adaptor.queries, config.regions.count, config.noise_variance) == (32, 10, 0.016)


def test_the_file_wins_over_the_bundle_and_the_command_line_over_both(
    tmp_path: Path, small_bundle: Path
) -> None:
    bundle = Bundle.open(small_bundle).config
    assert load_train_config(None, {}, bundle).adaptor.queries == 6
    assert load_train_config(None, {}, bundle).regions.count == 4
    trained = bundle.model_copy(update={"training": TrainingConfig(steps=3, learning_rate=0.1)})
    assert load_train_config(None, {"training": {"steps": 4}}, trained).training.learning_rate == 0.1
    path = _file(tmp_path, "adaptor: {queries: 9}\ntraining: {steps: 7, batch: 5}\n")
    config = load_train_config(path, {"training": {"steps": 8, "batch": None}}, bundle)
    assert (config.adaptor.queries, config.adaptor.heads) == (9, 4)
    assert (config.training.steps, config.training.batch) == (8, 5)
    assert config.decoding == bundle.decoding
    likely = bundle.model_copy(update={"rerank": RerankConfig(logprob_weight=0.1)})
    assert load_train_config(None, {}, likely).rerank == likely.rerank
    with pytest.raises(UserError, match="logprob_weight"):
        load_train_config(_file(tmp_path, "rerank: {logprob_weight: .inf}"), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("step: 3", ["unknown key `step`", "evaluate_every"]),
        ("training: {step: 3}", ["unknown key `training.step`", "learning_rate"]),
        ("adaptor: {clip_dim: 3}", ["unknown key `adaptor.clip_dim`", "queries"]),
        ("held_out: -1", ["`held_out`", "not -1"]),
        ("training: 3", ["`training`", "not 3"]),
    ],
)
def test_a_wrong_setting_is_one_line_with_file_key_and_fix(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        load_train_config(_file(tmp_path, text), {"training": {"steps": 3}})
    message = str(error.value)
    assert "\n" not in message
    for word in [*words, "train.yaml"]:
        assert word in message


def test_few_captions_are_held_out_unless_told() -> None:
    assert TrainJobConfig().held_out_of(500) == 10
    assert TrainJobConfig().held_out_of(10**6) == 1000
    assert TrainJobConfig(held_out=0.5).held_out_of(500) == 0.5


def test_a_batch_that_workers_cannot_share_is_refused() -> None:
    config = load_train_config(None, {"training": {"batch": 9, "accumulate": 2}})
    with pytest.raises(UserError, match="multiple of 6"):
        config.check(workers=3)


def test_decoding_is_the_paper_s_unless_told_otherwise(tmp_path: Path) -> None:
    assert load_train_config(None, {}).decoding == PAPER_DECODING
    assert (PAPER_DECODING.strategy, PAPER_DECODING.beams, PAPER_DECODING.max_new_tokens) == ("beam", 4, 16)
    sampled = load_train_config(_file(tmp_path, "decoding: sampled"), {}).decoding
    assert (sampled.strategy, sampled.top_p) == ("sample", 0.9)
    with pytest.raises(UserError, match="decoding 'fast' is none of paper, sampled"):
        load_train_config(_file(tmp_path, "decoding: fast"), {})


def test_epochs_are_passes_over_the_captions(tmp_path: Path) -> None:
    config = load_train_config(None, {"epochs": 8})
    assert config.steps(566_747) == 70_844
    assert load_train_config(None, {}).steps(566_747) == 10_000
    assert config.steps(3) == 1
    in_file = _file(tmp_path, "epochs: 2")
    assert load_train_config(in_file, {}).steps(640) == 20
    assert load_train_config(in_file, {"training": {"steps": 7}}).steps(640) == 7
    with pytest.raises(UserError, match="--steps and --epochs both say"):
        load_train_config(None, {"epochs": 8, "training": {"steps": 7}})


def test_memory_and_noise_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="memory takes the place of noise"):
        load_train_config(_file(tmp_path, "memory: {size: 20}"), {})
    assert load_train_config(_file(tmp_path, "memory: {size: 20}\nnoise_variance: 0"), {}).memory is not None
