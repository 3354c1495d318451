"""A run's questions from a file: made once, pinned, and at the end what of them no image was asked."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.chunk import chunk_file_name
from pipeline.run.config import CaptionJobConfig
from pipeline.run.question_store import prepare_questions, unasked_questions
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.storage.errors import UserError
from tests.captions import run_facts
from tests.images import write_shard


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path / "run"))


@pytest.fixture
def config(tmp_path: Path) -> CaptionJobConfig:
    """Of questions about images 0 to 5 of an archive of 0 to 3."""
    lines = [{"image_id": n, "question_id": f"q{n}", "question": f"What is {n}?"} for n in range(6)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return CaptionJobConfig(tasks=("ask",), questions_file=str(tmp_path / "q.jsonl"))


def shards(tmp_path: Path) -> list:
    return plan_source(str(write_shard(tmp_path / "a.tar", 4))).shards


def write_table(folder: RunFolder, ids: list[str]) -> None:
    folder.captions.make()
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"image_id": ids}), sink)
    folder.captions.write(chunk_file_name("a.tar", 0), sink.getvalue())


def test_no_file_no_store(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    assert prepare_questions(folder, CaptionJobConfig(), None, shards(tmp_path)) is None
    captioning = config.model_copy(update={"tasks": ("caption",)})
    assert prepare_questions(folder, captioning, None, shards(tmp_path)) is None


def test_a_store_is_made_once_and_a_new_run_begins_beside_it(
    tmp_path: Path, folder: RunFolder, config: CaptionJobConfig
) -> None:
    store = prepare_questions(folder, config, None, shards(tmp_path))
    assert store is not None
    assert (store.facts.questions, store.facts.rule) == (6, "number")
    assert folder.recorded() is None
    written = (tmp_path / "run" / "questions" / "store.json").stat().st_mtime_ns
    again = prepare_questions(folder, config, None, shards(tmp_path))
    assert again is not None
    assert again.facts == store.facts
    assert (tmp_path / "run" / "questions" / "store.json").stat().st_mtime_ns == written


def test_other_questions_are_refused_for_a_run_and_taken_for_a_new_one(
    tmp_path: Path, folder: RunFolder, config: CaptionJobConfig
) -> None:
    prepare_questions(folder, config, None, shards(tmp_path))
    file = tmp_path / "q.jsonl"
    file.write_text(file.read_text().replace("What is 1?", "Who is 1?"))
    with pytest.raises(UserError, match="are not those that the run"):
        prepare_questions(folder, config, run_facts(join_on="number"), shards(tmp_path))
    store = prepare_questions(folder, config, None, shards(tmp_path))
    assert store is not None
    assert store.of(["1"])[0][0].question == "Who is 1?"


def test_what_no_image_was_asked(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    store = prepare_questions(folder, config, None, shards(tmp_path))
    assert store is not None
    write_table(folder, [f"a/{n:05d}" for n in range(4)])
    unasked = unasked_questions(folder, store)
    assert (unasked.questions, unasked.images, unasked.first) == (2, 2, ("q4", "q5"))


def test_a_question_put_to_two_images(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    store = prepare_questions(folder, config, None, shards(tmp_path))
    assert store is not None
    write_table(folder, ["a/00001", "b/00001"])
    with pytest.raises(UserError, match="several images have the number 1"):
        unasked_questions(folder, store)
