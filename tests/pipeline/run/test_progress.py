import json

import pytest

from pipeline.run.progress import Progress, live_line
from pipeline.stages.write import WriteResult


def _result(rows: int, last: bool = False, errors: int = 0, position: int = 0) -> WriteResult:
    return WriteResult("s", position, last, rows, errors, 1, 0.0)


def test_rows_to_come_are_judged_from_finished_shards() -> None:
    progress = Progress(shards=4)
    progress.add(_result(10))
    assert progress.rows_expected is None
    assert progress.seconds_left is None
    progress.add(_result(10, last=True, errors=1, position=1))
    assert progress.rows_expected == 80
    assert "20 of about 80 images" in progress.line()
    assert "1 of 4 shards" in progress.line()
    assert "1 errors" in progress.line()


def test_a_last_chunk_that_overtakes_others_does_not_shrink_what_is_to_come() -> None:
    progress = Progress(shards=2)
    for _ in range(2):
        progress.add(_result(10, last=True, position=2))
    assert progress.rows_expected == 60


def test_a_known_number_of_rows_is_not_judged() -> None:
    progress = Progress(shards=2, rows_known=12)
    progress.add(_result(6, last=True))
    assert progress.rows_expected == 12
    assert progress.line().startswith("6 of 12 images")


def test_what_an_earlier_run_wrote_does_not_count_as_speed() -> None:
    assert Progress(shards=2, rows=100, written_before=100).images_per_second == 0


def test_without_a_terminal_progress_is_json_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(shards=1)
    with live_line(progress):
        progress.add(_result(3, last=True))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err.splitlines()[-1])["progress"]["rows"] == 3


def test_rows_that_are_read_are_told_before_they_are_captioned() -> None:
    progress = Progress(shards=1)
    progress.note_read(7)
    progress.note_read(5)  # of an actor that began anew
    assert progress.facts()["rows_read"] == 7
    assert "7 read" in progress.line()
    progress.add(_result(7))
    assert "read" not in progress.line()
