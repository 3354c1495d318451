"""arguments.py, command_line.py, remote_commands.py, check_config.py: what of a command travels, renamed."""

import importlib
import json
import re
from pathlib import Path

import pytest
import typer

from jobs.cli import COMMANDS
from pipeline.run.config import CaptionJobConfig
from pipeline.storage.errors import UserError
from pipeline.submit.arguments import MOST_BYTES, for_cluster, known_as, subject_of
from pipeline.submit.check_config import check_config
from pipeline.submit.command_line import Given, read_arguments, written
from pipeline.submit.remote_commands import REMOTE_COMMANDS
from pipeline.train.config import TrainJobConfig


def read(command: str, *arguments: str) -> list[Given]:
    return read_arguments(importlib.import_module(COMMANDS[command]).main, command, arguments)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (
            "caption",
            ["s3://a/b c", "s3://o", "--seed", "3", "--no-flags", "--hash", "--prompt", 'it\'s\n"x" $(y)'],
        ),
        ("caption", ["s3://a", "--max-cost=0.1", "s3://o", "--prompt=--prompt", "--gpu-hour-price", "2.50"]),
        ("caption", ["--", "-odd name", "--output"]),
        ("ask", ["s3://a", "s3://o", "--question", "one?", "--question", "two?"]),
        ("train", ["one.txt", "tŵo.txt", "s3://o", "--held-out", "0.1"]),
        ("export", ["run", "s3://o", "--format", "parquet", "--columns", "recap", "--captions", "all"]),
    ],
)
def test_arguments_are_written_as_they_were_read(command: str, arguments: list[str]) -> None:
    given = read(command, *arguments)
    assert given
    assert read(command, *written(given)) == given


def test_every_file_and_place_of_a_remote_command_is_known() -> None:
    for name, remote in REMOTE_COMMANDS.items():
        app = typer.Typer()
        app.command()(importlib.import_module(COMMANDS[name]).main)
        parameters = {one.name: one for one in typer.main.get_command(app).params}
        known = remote.files | remote.bundles | remote.places
        assert known | {remote.subject, *remote.part} | remote.other_model <= set(parameters)
        named = {key for key, one in parameters.items() if re.search("FILE|FOLDER", str(one.metavar))}
        locations = {"source", "output", "run", "folder", "work", "model", "image_root", "config", "init"}
        assert named | (locations & set(parameters)) <= known, name


def test_files_travel_and_paths_are_absolute(here: Path) -> None:
    (here / "q ü.json").write_text("[]")
    (here / "model").mkdir()
    (here / "model" / "config.json").write_text("{}")
    options = ["--questions", "q ü.json", "--model", "model", "--score-head", "nice=q ü.json"]
    given = read("ask", "photos", "s3://bucket/out/", *options)
    renamed, sent = for_cluster(given, REMOTE_COMMANDS["ask"])
    values = {one.name: one.values[0] for one in renamed}
    assert values["source"] == str(here / "photos")
    assert values["output"] == "s3://bucket/out/"
    assert sent.content[values["questions"]] == Path("q ü.json")
    assert values["questions"].isascii()
    assert sent.content[values["score_head"].removeprefix("nice=")] == Path("q ü.json")
    assert sent.content[f"{values['model']}/config.json"] == Path("model/config.json")
    assert sent.stays == [str(here / "photos")]
    assert subject_of(given, REMOTE_COMMANDS["ask"]) == known_as("s3://bucket/out") == "s3://bucket/out"


def test_a_list_lies_at_the_same_place_whatever_travels_with_it(here: Path) -> None:
    (here / "list.txt").write_text("# tars\ns3://a/{0..9}.tar\nlocal.tar\n")
    (here / "c.yaml").write_text("seed: 1\n")
    first, sent = for_cluster(read("caption", "@list.txt", "s3://o"), REMOTE_COMMANDS["caption"])
    again, other = for_cluster(
        read("caption", "--config", "c.yaml", "@list.txt", "s3://o"), REMOTE_COMMANDS["caption"]
    )
    assert {one.name: one for one in first}["source"] == {one.name: one for one in again}["source"]
    [name] = sent.lists.values()
    assert sent.content[name] == f"s3://a/{{0..9}}.tar\n{here}/local.tar\n".encode()
    assert other.lists.keys() == sent.lists.keys()
    assert str(here / "local.tar") in sent.stays[0]


def test_a_config_names_the_files_that_travel_with_it(here: Path) -> None:
    (here / "q.jsonl").write_text("{}")
    (here / "c.yaml").write_text("questions_file: q.jsonl\nscore_heads: {a: s3://x/h, b: q.jsonl}\nseed: 3\n")
    [_, _, config], sent = for_cluster(
        read("ask", "s3://a", "s3://o", "--config", "c.yaml"), REMOTE_COMMANDS["ask"]
    )
    content = sent.content[config.values[0]]
    assert isinstance(content, bytes)
    settings = json.loads(content)
    assert sent.content[settings["questions_file"]] == Path("q.jsonl")
    assert settings["score_heads"]["a"] == "s3://x/h"
    assert sent.content[settings["score_heads"]["b"]] == Path("q.jsonl")
    assert settings["seed"] == 3


def test_a_large_file_stays_and_is_told(here: Path) -> None:
    with (here / "large.json").open("wb") as large:
        large.truncate(MOST_BYTES + 1)
    renamed, sent = for_cluster(
        read("evaluate", "s3://run", "--references", "large.json"), REMOTE_COMMANDS["evaluate"]
    )
    assert renamed[1].values == (str(here / "large.json"),)
    assert not sent.content
    assert "large.json" in sent.stays[0]
    keyword, sent = for_cluster(
        read("evaluate", "s3://run", "--references", "metadata"), REMOTE_COMMANDS["evaluate"]
    )
    assert keyword[1].values == ("metadata",)


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3://key:secret@bucket/a", "s3://o"],
        ["s3://a", "s3://key:secret@bucket/o"],
        ["https://host/a.tar?X-Amz-Signature=secret", "s3://o"],
        ["s3://a", "s3://o", "--score-head", "nice=https://u:secret@host/x"],
    ],
)
def test_credentials_in_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UserError, match="--env") as refused:
        for_cluster(read("caption", *arguments), REMOTE_COMMANDS["caption"])
    assert "secret" not in str(refused.value)


def test_a_file_that_is_nowhere_is_refused() -> None:
    with pytest.raises(UserError, match=r"nix\.json does not exist"):
        for_cluster(read("ask", "s3://a", "s3://o", "--questions", "nix.json"), REMOTE_COMMANDS["ask"])
    with pytest.raises(UserError, match="cannot be read"):
        for_cluster(read("caption", "@nix.txt", "s3://o"), REMOTE_COMMANDS["caption"])


def test_a_config_with_an_unknown_key_is_refused_here(here: Path) -> None:
    (here / "c.yaml").write_text("join_on: stem\nseed: 1\n")  # goes with an option, perhaps
    check_config(CaptionJobConfig, here / "c.yaml")
    (here / "c.yaml").write_text("sed: 1\n")
    for settings in (CaptionJobConfig, TrainJobConfig):
        with pytest.raises(UserError, match="unknown key `sed`"):
            check_config(settings, here / "c.yaml")
