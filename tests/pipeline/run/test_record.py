"""Also for facts.py: what is recorded, refused and marked, of any run."""

import json
from pathlib import Path

import pytest

from pipeline.run.facts import RunFacts
from pipeline.run.record import Facts, RunRecord, differing
from pipeline.storage.errors import UserError
from tests.captions import CAPTION_SCHEMA, run_facts


class SomeFacts(Facts):
    seed: int
    where: str = ""
    version: str = "1"


def _record(path: Path) -> RunRecord[SomeFacts]:
    return RunRecord(str(path), "some.json", SomeFacts, "sort of run")


def test_facts_first_and_markers_last(tmp_path: Path) -> None:
    record = _record(tmp_path / "run")
    assert record.recorded() is None
    record.begin(SomeFacts(seed=1))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["some.json"]
    assert record.finished() is None
    record.finish({"rows": 3})
    assert b"3" in (record.finished() or b"")
    record.begin(SomeFacts(seed=1, version="2"))  # which may differ
    assert record.finished() is None
    assert record.recorded() == SomeFacts(seed=1)


def test_other_facts_are_refused_with_what_differs(tmp_path: Path) -> None:
    record = _record(tmp_path)
    record.begin(SomeFacts(seed=1))
    with pytest.raises(UserError) as error:
        record.begin(SomeFacts(seed=2, where="x"))
    assert "holds a sort of run with other settings:\n  seed: was 1, now 2\n  where: was , now x" in str(
        error.value
    )


def test_what_differs_is_named_to_the_last_part() -> None:
    old = run_facts()
    new = old.model_copy(
        update={"decoding": old.decoding.model_copy(update={"top_p": 0.5}), "stages": ("a", "b")}
    )
    assert differing(old, new) == [
        "stages: was decode, features, candidates, rerank, now a, b",
        "decoding.top_p: was 1.0, now 0.5",
    ]
    assert differing(old, new, ("stages", "decoding.top_p")) == []


def test_a_footer_says_of_newer_facts_only_what_is_other_than_before() -> None:
    """So that files are the same to the byte as those of version 0.1.0."""
    assert not {"engine", "stages"} & run_facts().for_footer().keys()
    other = run_facts(engine="fixed-text").for_footer()
    assert other["engine"] == "fixed-text"
    other = run_facts(stages=("decode", "more")).for_footer()
    assert json.loads(json.dumps(other)) == other  # as `maccap verify` compares it
    assert other["stages"] == ["decode", "more"]
    other = run_facts(engine="fixed-text").for_footer()
    assert "stages" not in other


def test_facts_of_the_version_before_can_be_read() -> None:
    recorded = run_facts().model_dump(exclude={"engine", "stages"})
    assert RunFacts.model_validate(recorded) == run_facts()


def test_the_table_is_of_the_stages_that_the_run_had() -> None:
    assert run_facts().table_schema() == CAPTION_SCHEMA
    assert "global" in run_facts(keep_features=True).table_schema().names
    assert "caption" not in run_facts(stages=("decode",)).table_schema().names
