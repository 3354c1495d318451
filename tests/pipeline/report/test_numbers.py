"""numbers.py, chosen_rows.py, gallery.py: what is counted of all rows, and the rows that are shown."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from maccap.config import AskConfig
from pipeline.report.blocks import Table
from pipeline.report.chosen_rows import places_shown, read_rows
from pipeline.report.gallery import gallery_json
from pipeline.report.numbers import Numbers, read_numbers
from pipeline.report.sections import sections
from pipeline.storage.errors import UserError
from pipeline.storage.folder import Folder
from tests.pipeline.report.made_runs import captioned, write_run

CAPTIONS = [
    "A red dog on a beach",
    "a beach, a red dog on it",
    "two cats",
    "a dog and a",
    "one cat is on one cat",
]


@pytest.fixture(scope="module")
def captions(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """300 rows in three files, of which ten are errors."""
    rows = [captioned(n, CAPTIONS[n % 5]) for n in range(290)]
    rows += [captioned(n, None, error="damaged image: cut short") for n in range(290, 300)]
    return write_run(tmp_path_factory.mktemp("run") / "run", source, rows).captions


def test_all_rows_are_counted(captions: Folder) -> None:
    numbers = read_numbers(captions, 20)
    assert (numbers.rows, numbers.captioned, numbers.errors) == (300, 290, 10)
    assert numbers.rows_per_file == [100, 100, 100]
    assert numbers.words.mean == pytest.approx(np.mean([len(caption.split()) for caption in CAPTIONS]))
    assert numbers.scores.count == numbers.logprobs.count == 290
    assert numbers.flags == {"short": 58, "cut": 58}
    assert numbers.flagged == 116
    assert numbers.error_kinds.counts == {"damaged image": 10}
    assert numbers.copies.totals().exact == 285
    assert numbers.vocabulary.counts["dog"] == 174


def test_the_rows_shown_are_a_sample_errors_and_extremes(captions: Folder) -> None:
    numbers = read_numbers(captions, 20)
    places = places_shown(numbers)
    assert places[:20] == numbers.sample.places
    assert places == places_shown(read_numbers(captions, 20))
    assert places != places_shown(read_numbers(captions, 20, seed=1))
    rows = read_rows(captions, numbers, places)
    assert list(rows) == places
    lowest = [rows[place].fields["clip_score"] for place in numbers.extremes["lowest score"].places]
    assert lowest == sorted(lowest)
    assert lowest[0] == pytest.approx(0.2)
    unlikely = [rows[place].logprob for place in numbers.extremes["least likely"].places]
    assert unlikely == sorted(unlikely, key=lambda value: value or 0)
    assert unlikely[0] == pytest.approx(-3.5 / 2)  # two words
    assert sum(row.fields["error"] is not None for row in rows.values()) == 10
    assert {row.copies for row in rows.values() if row.fields["caption"] == "two cats"} == {58}


def test_a_damaged_file_is_passed_over_and_named(source: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", source, [captioned(n, "a dog here") for n in range(250)])
    first, second, third = folder.captions.names()
    (tmp_path / "run" / "captions" / second).write_bytes(b"PAR1 no more")
    numbers = read_numbers(folder.captions, 5)
    assert numbers.rows == 150
    assert numbers.files == [first, third]
    assert len(numbers.unreadable) == 1
    assert numbers.unreadable[0].startswith(f"{second}: ")
    (tmp_path / "run" / "captions" / third).unlink()  # as a run that is resumed may do
    assert {place.file for place in read_rows(folder.captions, numbers, places_shown(numbers))} == {0}


def test_a_table_of_an_older_version_lacks_columns(source: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", source, [captioned(n, "a dog here") for n in range(5)])
    (name,) = folder.captions.names()
    path = tmp_path / "run" / "captions" / name
    table = pq.read_table(path).select(["image_id", "shard", "index", "caption"])
    pq.write_table(table, path)
    numbers = read_numbers(folder.captions, 5)
    assert (numbers.captioned, numbers.errors, numbers.scores.count) == (5, 0, 0)
    rows = read_rows(folder.captions, numbers, places_shown(numbers))
    assert [row["caption"] for row in gallery_json(list(rows.values()), 5)] == ["a dog here"] * 5


def test_no_captions_are_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no captions that can be read"):
        read_numbers(Folder(str(tmp_path)), 5)


def test_answers_are_counted(source: Path, tmp_path: Path) -> None:
    answers = [
        {"question_id": "1", "question": "is it?", "answer": answer, "logprob": -1.0}
        for answer in ("yes", None)
    ]
    rows = [captioned(n, None, answers=[answers[n % 2]]) for n in range(10)]
    stages = ("decode", "features", "questions", "answers")
    folder = write_run(
        tmp_path / "run", source, rows, stages=stages, asking=AskConfig(), questions=("is it?",)
    )
    numbers = read_numbers(folder.captions, 5)
    assert (numbers.answers.asked, numbers.answers.unanswered, numbers.captioned) == (10, 5, 0)
    assert numbers.answers.answers == {"yes": 5}
    assert "caption" not in numbers.columns


def test_recorded_flags_count_before_our_own(source: Path, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", source, [captioned(n, "two cats") for n in range(4)])
    (name,) = folder.captions.names()
    path = tmp_path / "run" / "captions" / name
    flags = pa.array([["odd"], [], None, ["odd", "short"]], pa.list_(pa.string()))
    table = pq.read_table(path)
    table = table.drop_columns([column for column in table.column_names if column == "flags"])
    pq.write_table(table.append_column("flags", flags), path)
    assert read_numbers(folder.captions, 2).flags == {"odd": 2, "short": 2}


def test_the_gallery_is_json_and_bounded(source: Path, tmp_path: Path) -> None:
    metadata = json.dumps({"caption": "x" * 50_000})
    rows = [captioned(0, "word " * 10_000, clip_score=float("nan"), metadata=metadata, image_id="i" * 9_000)]
    folder = write_run(tmp_path / "run", source, rows)
    numbers = read_numbers(folder.captions, 5)
    shown = list(read_rows(folder.captions, numbers, places_shown(numbers)).values())
    (row,) = json.loads(json.dumps(gallery_json(shown, 1), allow_nan=False))
    assert "score" not in row
    assert row["random"] is True
    assert len(json.dumps(row)) < 12_000


def test_images_that_are_there_more_than_once() -> None:
    numbers = Numbers(images=4)
    hashes = ["00ff00ff00ff00ff", "00ff00ff00ff00fe", "00ff00ff00ff00ff", "1234567812345678", None]
    files = ["a", "b", "a", "c", None]
    columns = {"image_id": list("01234"), "error": [None] * 4 + ["empty file"]}
    numbers.add("0.parquet", pa.table({**columns, "sha256": files, "phash": hashes}))
    (told,) = (one for one in sections(numbers, None, {}) if one.id == "images_again")
    (table,) = told.blocks
    assert table.about.startswith("Copies of an earlier image: 1 to the byte, and 2 (50 %) to the eye")
    assert table.rows == [("1", 3, "75 %"), ("all other images", 1, "25 %")]


def test_a_table_that_is_cut_says_what_is_left() -> None:
    letters = "abcdefghijklmnopqrst"
    errors = [f"broken {a}{b}" for a in letters[:2] for b in letters]
    numbers = Numbers(images=4)
    numbers.add("0.parquet", pa.table({"image_id": errors, "error": errors}))
    captions = [f"a {a} and {a}{b}" for a in letters for b in letters[:2]] * 2
    numbers.add("1.parquet", pa.table({"image_id": captions, "caption": captions}))
    rows = {
        block.title: block.rows
        for section in sections(numbers, None, {})
        for block in section.blocks
        if isinstance(block, Table)
    }
    assert len(rows["Errors by kind"]) == len(rows["Most frequent captions"]) == 13
    assert rows["Errors by kind"][-1] == ("all other kinds", 28, "")
    assert rows["Most frequent captions"][-1] == ("all other captions", 56, "70 %")
