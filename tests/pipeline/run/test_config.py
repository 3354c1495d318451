from pathlib import Path

import pytest

from maccap.config import PAPER_DECODING, DecodingConfig
from pipeline.run.config import load_config
from pipeline.storage.errors import UserError


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    config = load_config(None, {"seed": None, "decoding": {"candidates": None}})
    assert (config.seed, config.chunk_rows, config.decoding) == (0, 512, {})


def test_yaml_and_json_are_read_and_the_command_line_wins(tmp_path: Path) -> None:
    for text in (
        "seed: 3\ndecoding: {top_p: 0.5, candidates: 2}\n",
        '{"seed": 3, "decoding": {"top_p": 0.5}}',
    ):
        config = load_config(_file(tmp_path, text), {"seed": 4, "decoding": {"candidates": 7}})
        assert config.seed == 4
        assert config.decoding == {"top_p": 0.5, "candidates": 7}


def test_decoding_overrides_leave_the_other_defaults_of_the_bundle() -> None:
    config = load_config(None, {"decoding": {"candidates": 7}})
    bundle = DecodingConfig(candidates=2, top_p=0.5)
    assert config.decoding_over(bundle) == DecodingConfig(candidates=7, top_p=0.5)


def test_overrides_are_judged_beside_the_bundles_own_and_not_the_defaults() -> None:
    config = load_config(None, {"decoding": {"samples_per_draw": 4}})
    assert config.decoding_over(DecodingConfig(candidates=8)).samples_per_draw == 4
    config = load_config(None, {"decoding": {"candidates": 5}})
    with pytest.raises(UserError, match=r"candidates \(5\) must be a multiple of samples_per_draw \(2\)"):
        config.decoding_over(DecodingConfig(candidates=4, samples_per_draw=2))


def test_decoding_that_is_no_mapping_is_refused_beside_options_too(tmp_path: Path) -> None:
    path = _file(tmp_path, "decoding: [1]")
    with pytest.raises(UserError, match=r"job\.yaml: `decoding`: Input should be a valid dict"):
        load_config(path, {"decoding": {"candidates": 3}})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chunk_row: 3", ["unknown key `chunk_row`", "chunk_rows"]),
        ("decoding: {temprature: 1}", ["unknown key `decoding.temprature`", "temperature"]),
        ("decoding: {candidates: 0}", ["`decoding.candidates`", "greater than or equal to 1", "not 0"]),
        ("chunk_rows: many", ["`chunk_rows`", "integer", "'many'"]),
        ("seed: [", ["neither YAML nor JSON"]),
        ("- 1", ["`key: value`"]),
        ("resources: {read: {num_cpus: 1}}", ["`resources.write`", "required"]),
        (
            "resources: {read: {num_cpus: 1}, write: {num_cpus: 1}}",
            ["`decode` is missing", "leave"],
        ),
        (
            "resources: {read: {num_cpus: 1}, write: {num_cpus: 1}, decod: {num_cpus: 1}}",
            ["unknown key `decod`", "known: read, decode, features, candidates, rerank, flags, write"],
        ),
        (
            "resources: {read: {num_cpus: 1}, write: {num_cpus: 1}, decode: {num_cpus: 1, actors: 2}, "
            "features: {num_cpus: 1}, candidates: {num_cpus: 1}, rerank: {num_cpus: 1}}",
            ["`decode` holds no weights"],
        ),
        ("resources: {read: {num_cpus: 1}, write: {num_cpus: 1}, rerank: {num_cpu: 1}}", ["rerank.num_cpu"]),
        ("engine: vlm", ["no decoding engine 'vlm'", "transformers"]),
        ("score_heads: {a/b: head.safetensors}", ["`score_heads`", "'a/b': give a name of letters"]),
        ("score_heads: {safe: ''}", ["`score_heads`", "'safe': give a name of letters"]),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path: Path, text: str, words: list[str]) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(UserError) as error:
        load_config(path, {})
    assert all(word in str(error.value) for word in [str(path), *words]), str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.yaml cannot be read"):
        load_config(tmp_path / "gone.yaml", {})


def test_flags_are_made_unless_a_run_was_begun_without() -> None:
    config = load_config(None, {})
    assert "flags" in config.requests
    assert "flags" in config.resuming(["decode", "flags"]).requests
    assert "flags" not in config.resuming(["decode"]).requests
    assert "flags" in load_config(None, {"flags": True}).resuming(["decode"]).requests
    assert "flags" not in load_config(None, {"flags": False}).requests


def test_light_stages_that_settings_ask_for_need_not_be_named_among_resources(tmp_path: Path) -> None:
    named = "".join(f"{name}: {{num_cpus: 1}}, " for name in ("decode", "features", "candidates", "rerank"))
    path = _file(tmp_path, f"resources: {{{named}read: {{num_cpus: 1}}, write: {{num_cpus: 0.3}}}}")
    resources = load_config(path, {"hashes": True}).resources
    assert resources is not None
    assert [resources.of(name).num_cpus for name in ("decode", "hashes", "flags")] == [1, 0.3, 0.3]


def test_decoding_by_a_preset_s_name(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("decoding: paper")
    defaults = DecodingConfig(candidates=3, top_p=0.5)
    assert load_config(path, {}).decoding_over(defaults) == PAPER_DECODING
    fewer = load_config(path, {"decoding": {"candidates": 2}}).decoding_over(defaults)
    assert (fewer.candidates, fewer.strategy, fewer.beams) == (2, "beam", 4)
    path.write_text("decoding: fast")
    with pytest.raises(UserError, match="decoding 'fast' is none of paper, sampled"):
        load_config(path, {})
