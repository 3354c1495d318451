"""Lines for a log store: one JSON object each, with what a process works on, and no secrets."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.run.log import LOG, JsonLine, log_written, run_name, start_log, working_on
from pipeline.run.progress import Progress, live_line


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged by run `captions`."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("MACCAP_LOG_FORMAT", "json")
    start_log("captions")
    start_log("captions")  # as every block of a worker does
    yield stderr
    LOG.handlers.clear()
    LOG.setLevel(logging.NOTSET)
    LOG.propagate = True


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_says_what_the_process_works_on(lines: io.StringIO) -> None:
    with working_on(stage="decode", chunk="a.00001.parquet"):
        LOG.warning("storage: %s", "https://user:password@host/x?sig=1234567890\n{}")
    LOG.info("begun")
    first, second = read(lines)
    assert (first["level"], first["run"], first["stage"]) == ("warning", "captions", "decode")
    assert first["chunk"] == "a.00001.parquet"
    assert first["message"].startswith("storage: https://")
    assert "password" not in first["message"]
    assert second.keys() == {"time", "level", "run", "message"}


def test_a_chunk_and_the_progress_are_lines_too(lines: io.StringIO) -> None:
    log_written("a.00001.parquet", rows=3, errors={"damaged image": 1})
    with live_line(Progress(shards=1, rows=3)):
        pass
    written, progress = read(lines)
    assert written["chunk"] == "a.00001.parquet"
    assert written["errors"] == {"damaged image": 1}
    assert progress["progress"]["rows"] == 3


def test_an_error_is_on_the_line(lines: io.StringIO) -> None:
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        LOG.exception("failed")
    assert read(lines)[0]["error"].startswith("ValueError: of two")


def test_people_are_told_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    start_log("captions")
    assert not LOG.handlers
    log_written("a.00001.parquet")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ("/data/captions", "captions"),
        ("s3://bucket/run/", "run"),
        ("s3://bucket", "bucket"),
        ("/", "run"),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_run_is_called_by_the_last_part_of_its_output(output: str, name: str) -> None:
    assert run_name(output) == name


def test_a_record_of_another_library_is_a_line(lines: io.StringIO) -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 0, "%d images", (3,), None)
    assert json.loads(JsonLine().format(record))["message"] == "3 images"
