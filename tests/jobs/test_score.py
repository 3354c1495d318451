"""`maccap score` on run folders whose captions are known."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from jobs.score import as_json, as_table, main, score_run
from maccap.scenes.world.facts import SceneFacts, scenes_with_facts
from pipeline.chunk import Chunk
from pipeline.stages.write import CaptionWriter
from pipeline.storage.errors import UserError
from tests.captions import CAPTION_SCHEMA


def _row(index: int, caption: str | None, first: str | None, metadata: str | None) -> dict[str, object]:
    candidates = [{"text": text, "clip_score": 0.5, "logprob": -1.0} for text in (first, caption) if text]
    return {
        "image_id": f"s/{index}", "shard": "s.tar", "index": index, "width": 8, "height": 8,
        "caption": caption, "clip_score": 0.5, "candidates": candidates or None,
        "error": None if caption else "damaged image", "metadata": metadata,
    }  # fmt: skip


def _write_run(folder: Path, rows: list[dict[str, object]]) -> str:
    (folder / "captions").mkdir(parents=True)
    write = CaptionWriter(str(folder / "captions"), {}, CAPTION_SCHEMA)
    for position, start in enumerate(range(0, len(rows), 16)):
        part = pa.Table.from_pylist(rows[start : start + 16], CAPTION_SCHEMA)
        write(Chunk("s.tar", position, start + 16 >= len(rows), part))
    return str(folder)


@pytest.fixture(scope="module")
def facts() -> list[SceneFacts]:
    return [facts for _, facts in scenes_with_facts("test", 60, 1)]


def test_reranked_and_first_candidates_are_scored_apart(tmp_path: Path, facts: list[SceneFacts]) -> None:
    rows = [_row(i, f.captions[0], "a zebra", f.model_dump_json()) for i, f in enumerate(facts)]
    report = score_run(_write_run(tmp_path, rows))
    assert report["reranked"]["all"].captions == 60
    assert report["reranked"]["all"].precision == 1.0
    assert report["first candidate"]["all"].recall == 0.0
    groups = {name: scores.captions for name, scores in report["reranked"].items()}
    assert groups["unseen pairs"] == groups["seen pairs"] == 30
    assert groups["1 kind"] + groups["2 kinds"] + groups["3 kinds"] == 60
    assert json.loads(as_json(report))["reranked"]["all"]["captions"] == 60
    table = as_table(report)
    assert all(group in table for group in (*groups, "first candidate", "CIDEr-D"))


def test_rows_without_a_caption_count_and_rows_without_facts_do_not(
    tmp_path: Path, facts: list[SceneFacts]
) -> None:
    rows = [_row(i, f.captions[0], None, f.model_dump_json()) for i, f in enumerate(facts)]
    whole = score_run(_write_run(tmp_path / "whole", rows))["reranked"]["all"]
    rows[0] = _row(0, None, None, facts[0].model_dump_json())
    rows.append(_row(60, None, None, None))
    holed = score_run(_write_run(tmp_path / "holed", rows))["reranked"]["all"]
    assert holed.captions == 60
    assert holed.precision == 1.0
    assert holed.recall < whole.recall
    assert holed.cider_d < whole.cider_d


@pytest.mark.parametrize("json_only", [False, True])
def test_the_last_line_is_json(
    tmp_path: Path, facts: list[SceneFacts], capsys: pytest.CaptureFixture[str], json_only: bool
) -> None:
    rows = [_row(i, f.captions[0], None, f.model_dump_json()) for i, f in enumerate(facts)]
    main(_write_run(tmp_path, rows), json_only)
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1])["reranked"]["all"]["precision"] == 1.0
    assert (len(lines) == 1) == json_only


def test_a_folder_without_captions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions"):
        score_run(str(tmp_path / "nowhere"))
    (tmp_path / "captions").mkdir()
    with pytest.raises(UserError, match="holds no captions"):
        score_run(str(tmp_path))


def test_captions_of_other_images_are_refused(tmp_path: Path) -> None:
    rows = [_row(i, "a dog", None, '{"license": "mine"}' if i % 2 else None) for i in range(4)]
    with pytest.raises(UserError, match="0 of its rows say in their metadata"):
        score_run(_write_run(tmp_path, rows))
