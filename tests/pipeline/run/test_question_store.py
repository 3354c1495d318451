"""A run's questions from a file: made once, pinned, and at the end what of them no image was asked."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.chunk import chunk_file_name
from pipeline.questions.store import QuestionStore
from pipeline.run.config import CaptionJobConfig
from pipeline.run.question_store import prepare_store, survey_questions, unasked_questions
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


def prepared(folder: RunFolder, config: CaptionJobConfig, tmp_path: Path) -> QuestionStore:
    store = prepare_store(folder, config, survey_questions(folder, config, None, shards(tmp_path)))
    assert store is not None
    return store


def test_no_file_no_store(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    captioning = config.model_copy(update={"tasks": ("caption",)})
    for without in (CaptionJobConfig(), captioning):
        assert survey_questions(folder, without, None, shards(tmp_path)) is None
        assert prepare_store(folder, without, None) is None


def test_a_survey_writes_nothing_and_a_store_is_made_once(
    tmp_path: Path, folder: RunFolder, config: CaptionJobConfig
) -> None:
    found = survey_questions(folder, config, None, shards(tmp_path))
    assert found is not None
    assert (found.questions, found.rule) == (6, "number")
    assert not (tmp_path / "run").exists()
    prepared(folder, config, tmp_path)
    written = (tmp_path / "run" / "questions" / "store.json").stat().st_mtime_ns
    prepared(folder, config, tmp_path)
    assert (tmp_path / "run" / "questions" / "store.json").stat().st_mtime_ns == written


def test_a_run_goes_on_with_its_own_questions_alone(
    tmp_path: Path, folder: RunFolder, config: CaptionJobConfig
) -> None:
    found = survey_questions(folder, config, None, shards(tmp_path))
    assert found is not None
    recorded = run_facts(join_on="number", questions_fingerprint=found.fingerprint)
    for _ in range(2):  # with its store, and without
        assert survey_questions(folder, config, recorded, shards(tmp_path)) == found
        other = config.model_copy(update={"join_on": "stem"})
        again = survey_questions(folder, other, recorded, shards(tmp_path))
        assert again is not None
        assert again.rule == "stem"  # which the facts of the run then refuse
        prepared(folder, config, tmp_path)
    file = tmp_path / "q.jsonl"
    file.write_text(file.read_text().replace("What is 1?", "Who is 1?"))
    with pytest.raises(UserError, match="are not those that the run"):
        survey_questions(folder, config, recorded, shards(tmp_path))


def test_what_no_image_was_asked(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    store = prepared(folder, config, tmp_path)
    write_table(folder, [f"a/{n:05d}" for n in range(4)])
    unasked = unasked_questions(folder, store)
    assert (unasked.questions, unasked.images, unasked.first) == (2, 2, ("q4", "q5"))


def test_a_question_put_to_two_images(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    store = prepared(folder, config, tmp_path)
    write_table(folder, ["a/00001", "b/00001"])
    with pytest.raises(UserError, match="several images have the number 1"):
        unasked_questions(folder, store)


def test_a_file_about_other_images_alone(tmp_path: Path, folder: RunFolder, config: CaptionJobConfig) -> None:
    store = prepared(folder, config, tmp_path)
    write_table(folder, ["a/00009"])
    with pytest.raises(UserError, match="no question is about an image of SOURCE by its number"):
        unasked_questions(folder, store)
