"""`maccap evaluate` on run folders whose captions are known."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.evaluate import main
from maccap.scenes.world.facts import scenes_with_facts
from pipeline.storage.errors import UserError
from tests.pipeline.evaluate.runs import EXCERPT, human, row, write_run

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="coco-caption's tokeniser needs Java")


def _run(folder: Path, caption: int = 0) -> str:
    """Captions by people: those at this place among each image's five."""
    rows = [
        row(n, one["captions"][caption], image_id=f"val2014/{one['image_name']}")
        for n, one in enumerate(human())
    ]
    return write_run(folder, rows)


def _answer(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], dict[str, Any]]:
    lines = capsys.readouterr().out.splitlines()
    return lines, json.loads(lines[-1])


@needs_java
def test_scores_beside_another_run_and_a_file_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = _run(tmp_path / "one"), _run(tmp_path / "two", 3)
    output = tmp_path / "evaluation.json"
    main(one, references=str(EXCERPT), compare=[two], output=output, split=["test"])
    lines, found = _answer(capsys)
    assert found["join"]["rule"] == "image_id"
    assert found["images"] == 20
    assert found["scores"]["BLEU-4"]["value"] == pytest.approx(1.0)
    assert {"BLEU-1", "METEOR", "ROUGE-L", "CIDEr-D", "distinct-1"} < found["scores"].keys()
    assert found["compared"][0]["difference"]["CIDEr-D"].keys() == {"value", "low", "high"}
    assert any(line.startswith("CIDEr-D") for line in lines)
    assert json.loads(output.read_text()) == found


def test_rendered_scenes_need_no_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = [facts for _, facts in scenes_with_facts("test", 20, 1)]
    run = write_run(
        tmp_path, [row(n, f.captions[0], metadata=f.model_dump_json()) for n, f in enumerate(facts)]
    )
    main(run, json_only=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["scenes"]["reranked"]["all"]["precision"] == 1.0
    main(run)
    lines, found = _answer(capsys)
    assert found["scores"]["mean length"]["value"] > 3
    assert any(line.startswith("first candidate") for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "said"}, "--column says something of --references"),
        ({"split": ["test"]}, "--split says something of --references"),
        ({"references": "r.json", "join_on": "names"}, "choose one of image_id, path"),
        ({"references": "metadata", "join_on": "name"}, "only --column"),
        ({"clip_pretrained": "openai"}, "give that too"),
        ({"synonyms": "s.txt"}, "give --instances too"),
        ({"clip": "ViT-Z"}, "--clip ViT-Z cannot be used"),
    ],
)
def test_options_that_do_not_go_together(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(str(tmp_path), **options)


def test_a_folder_without_captions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions"):
        main(str(tmp_path / "nowhere"))
    (tmp_path / "captions").mkdir()
    with pytest.raises(UserError, match="holds no captions"):
        main(str(tmp_path))
