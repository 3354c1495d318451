"""selection.py, derived.py, condition.py, exported_caption.py, options.py: which rows are exported, where."""

import json
from pathlib import Path

import pytest

from pipeline.export.options import ExportOptions, checked_below, parse_captions, parse_split
from pipeline.export.run_table import RunTable
from pipeline.export.selection import LEFT_OUT, select, split_place
from pipeline.storage.errors import UserError
from tests.pipeline.export.runs import Row, captioned, tars, write_run

CAPTIONS = ("a dog", "The dog.", "a red cat sits", "a red cat sits", "cat", None)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    """Six rows in two files; the last is an error."""

    def fields(row: Row) -> Row:
        caption = CAPTIONS[row["index"]]
        return {**captioned(row), "caption": caption} if caption else {"error": "damaged image"}

    folder = tmp_path_factory.mktemp("selection")
    return RunTable.open(write_run(folder / "run", tars(folder / "in", 1), fields))


@pytest.fixture(scope="module")
def odd_table(tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    folder = tmp_path_factory.mktemp("odd")
    run = write_run(
        folder / "run",
        tars(folder / "in", 1),
        lambda row: {**captioned(row), **OF_THEIR_OWN[row["index"]]},
        existing_caption="txt",
    )
    return RunTable.open(run)


def _chosen(table: RunTable, where: str) -> list[int]:
    selection = select(table, ExportOptions(format="jsonl", where=where))
    splits = [split for name in table.names for split in selection.rows_of[name]]
    return [index for index, split in enumerate(splits) if split >= 0]


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("clip_score > 0.25 and words >= 3 and error is null", [3]),
        ("words = 2", [0, 1]),
        ("characters < 6", [0, 4]),
        ("first_of_copies", [0, 2, 4]),
        ("copies = 2 and not first_of_copies", [1, 3]),
        ("score_rank > 0.5", [2, 3, 4]),
        ("score_rank = 1", [4]),
        ("list_contains(flags, 'short')", [0, 1, 4]),
        ("candidates[1].text = 'it is worse' and index < 2 -- the first", [0, 1]),
        ("CAPTION like '%cat%' or width is null", [2, 3, 4]),
        ("error is not null", []),
        ("true", [0, 1, 2, 3, 4]),
    ],
)
def test_conditions(table: RunTable, where: str, chosen: list[int]) -> None:
    assert _chosen(table, where) == chosen


OF_THEIR_OWN: tuple[Row, ...] = (
    {"caption": None, "clip_score": None, "original_caption": "a dog by the sea", "original_clip_score": 0.9},
    {"caption": " ", "original_caption": "a cat", "original_clip_score": 0.2},
    {"caption": "!!!", "clip_score": float("nan")},
    {"caption": "😀"},
    {"caption": None, "original_caption": "a dog by the sea", "error": "damaged image"},
    {"caption": "A dog by the sea.", "original_caption": "a sea", "original_clip_score": 0.1},
)


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("words >= 3 and len(flags) = 0", [0, 5]),
        ("copies = 2", [0, 5]),
        ("first_of_copies", [0, 1, 2, 3]),
        ("characters = 5", [1]),
        ("clip_score > 0.25", [3, 5]),
        ("score_rank is null", [2]),
        ("score_rank = 1", [0]),
        ("score_rank < 0.3", [1]),
        ("coalesce(clip_score, original_clip_score) > 0.4", [0, 5]),
    ],
)
def test_captions_that_images_kept_and_those_without_words(
    odd_table: RunTable, where: str, chosen: list[int]
) -> None:
    assert _chosen(odd_table, where) == chosen


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "--where is empty. Write a condition"),
        ("maccap_row < 1", "maccap_row is no column"),
        (
            "colour = 'red'",
            'Referenced column "colour" not found.*\nThe columns are image_id, .* words, char',
        ),
        ("clip_score >", "syntax error"),
        ("clip_score > 'high'", "Conversion Error|Could not convert"),
        ("caption in (select caption from rows)", "about one row"),
        ("exists(from read_csv('/etc/passwd'))", "about one row"),
        ("true) union select 1 from rows where (true", "about one row"),
        ("true) limit (1", "about one row"),
        ("true); select (1", "more than one condition"),
        ("row_number() over () < 2", "cannot contain window functions"),
    ],
)
def test_a_condition_that_is_wrong(table: RunTable, where: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _chosen(table, where)


def test_what_is_left_out_is_counted(table: RunTable) -> None:
    selection = select(table, ExportOptions(format="jsonl", where="words > 2"))
    assert (selection.rows, selection.chosen) == (6, 2)
    assert {why: n for why, n in selection.left_out.items() if n} == {
        "with an error": 1,
        "not as --where says": 3,
    }


def test_an_image_is_in_the_same_split_every_time(table: RunTable, tmp_path: Path) -> None:
    options = ExportOptions(format="jsonl", split={"train": 0.6, "test": 0.4})
    everything = select(table, options)
    some = select(table, options.model_copy(update={"where": "index % 2 = 0"}))
    for name, splits in some.rows_of.items():
        pairs = zip(splits, everything.rows_of[name], strict=True)
        assert all(one in (same, LEFT_OUT) for one, same in pairs)
    assert everything.count(0) + everything.count(1) == everything.chosen == 5


def test_fractions_of_many_images() -> None:
    places = [split_place(f"photos/{n}.jpg") for n in range(10_000)]
    assert sum(place < 0.02 for place in places) == pytest.approx(200, abs=45)


MANY = ",".join(f"s{number}=0.005" for number in range(200))


@pytest.mark.parametrize(
    "text",
    ["train", "train=0.9", "a=0.5,a=0.5", "../x=1", "a=nan,b=1", "a=-1,b=2", "All=1", "a=0.5,A=0.5", MANY],
)
def test_splits_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="--split"):
        parse_split(text)


def test_options_as_they_are_written() -> None:
    assert parse_split("train=0.98, val=0.02") == {"train": 0.98, "val": 0.02}
    assert (parse_captions("all"), parse_captions("3")) == (None, 3)
    with pytest.raises(UserError, match="--captions 0"):
        parse_captions("0")
    for score in ("nan", "inf"):
        with pytest.raises(UserError, match=f"--below {score}"):
            checked_below(float(score))
    assert json.loads(ExportOptions(format="csv").model_dump_json())["captions"] == 1
