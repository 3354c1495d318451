"""Scores of rendered scenes: of the rows that have facts."""

from pathlib import Path

import pytest

from maccap.scenes.world.facts import SceneFacts, scenes_with_facts
from pipeline.evaluate.captions import WITH_CANDIDATES, Row, read_rows
from pipeline.evaluate.scenes import are_scenes, scenes_json, scenes_table, score_scenes
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import row, write_run


@pytest.fixture(scope="module")
def facts() -> list[SceneFacts]:
    return [facts for _, facts in scenes_with_facts("test", 60, 1)]


def _row(number: int, caption: str | None, first: str | None, metadata: str | None) -> Row:
    return Row(f"s/{number}", "s.tar", number, caption, metadata, f"s/{number}", first)


def test_reranked_and_first_candidates_are_scored_apart(facts: list[SceneFacts]) -> None:
    rows = [_row(i, f.captions[0], "a zebra", f.model_dump_json()) for i, f in enumerate(facts)]
    report = score_scenes(rows, "run")
    assert report["reranked"]["all"].captions == 60
    assert report["reranked"]["all"].precision == 1.0
    assert report["first candidate"]["all"].recall == 0.0
    groups = {name: scores.captions for name, scores in report["reranked"].items()}
    assert groups["unseen pairs"] == groups["seen pairs"] == 30
    assert groups["1 kind"] + groups["2 kinds"] + groups["3 kinds"] == 60
    assert scenes_json(report)["reranked"]["all"]["captions"] == 60
    table = scenes_table(report)
    assert all(group in table for group in (*groups, "first candidate", "CIDEr-D"))


def test_rows_without_a_caption_count_and_rows_without_facts_do_not(facts: list[SceneFacts]) -> None:
    rows = [_row(i, f.captions[0], None, f.model_dump_json()) for i, f in enumerate(facts)]
    whole = score_scenes(rows, "run")["reranked"]["all"]
    holed = score_scenes(
        [_row(0, None, None, rows[0].metadata), *rows[1:], _row(60, None, None, None)], "run"
    )
    assert holed["reranked"]["all"].captions == 60
    assert holed["reranked"]["all"].precision == 1.0
    assert holed["reranked"]["all"].recall < whole.recall
    assert holed["reranked"]["all"].cider_d < whole.cider_d


def test_the_first_candidate_is_read_from_the_table(tmp_path: Path, facts: list[SceneFacts]) -> None:
    candidates = [{"text": text, "clip_score": 0.5, "logprob": -1.0} for text in ("first", "best")]
    run = write_run(tmp_path, [row(0, "best", candidates=candidates, metadata=facts[0].model_dump_json())])
    (found,) = read_rows(run, WITH_CANDIDATES)
    assert (found.caption, found.first) == ("best", "first")
    assert are_scenes([found])


def test_captions_of_other_images_are_refused() -> None:
    rows = [_row(i, "a dog", None, '{"license": "mine"}' if i % 2 else None) for i in range(4)]
    assert not are_scenes(rows)
    with pytest.raises(UserError, match="0 of its rows say in their metadata"):
        score_scenes(rows, "run")
