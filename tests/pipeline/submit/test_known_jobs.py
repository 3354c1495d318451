"""known_jobs.py, job_progress.py and following.py: jobs by what they record and have printed."""

import json
from typing import Any

import pytest
from ray.job_submission import JobDetails

from pipeline.storage.errors import UserError
from pipeline.submit.following import plain
from pipeline.submit.job_progress import progress_of
from pipeline.submit.known_jobs import check_alone, known_among, metadata, named, new_id


def details(job: str, started: int, **recorded: Any) -> JobDetails:
    status = recorded.pop("status", "RUNNING")
    facts = metadata(
        **{"command": "caption", "subject": "s3://b/out", "part": "", "writes": True, **recorded}
    )
    return JobDetails(
        type="SUBMISSION",
        submission_id=job,
        status=status,
        entrypoint="x",
        start_time=started,
        metadata=facts,
    )


OTHERS = JobDetails(
    type="SUBMISSION", submission_id="raysubmit_1", status="RUNNING", entrypoint="x", metadata={"a": "b"}
)


def test_jobs_are_found_by_id_and_output_the_earliest_first() -> None:
    jobs = known_among(
        [details("b", 2000), OTHERS, details("a", 1000), details("c", 1, subject="s3://b/other")]
    )
    assert [job.id for job in named(jobs, "s3://b/out/")] == ["a", "b"]
    assert [job.id for job in named(jobs, "c")] == ["c"]
    with pytest.raises(UserError, match="raysubmit_1"):
        named(jobs, "raysubmit_1")


def test_two_jobs_write_one_output_only_in_parts() -> None:
    whole, first = [details("a", 1)], [details("a", 1, part="partition 1/2")]
    for jobs, part in ((whole, ""), (whole, "partition 1/2"), (first, ""), (first, "partition 1/2")):
        with pytest.raises(UserError, match="maccap stop a"):
            check_alone(known_among(jobs), "s3://b/out", part)
    ended, reader = [details("a", 1, status="STOPPED")], [details("a", 1, writes=False)]
    for jobs, part in ((first, "partition 2/2"), (ended, ""), (reader, "")):
        check_alone(known_among(jobs), "s3://b/out", part)
    check_alone(known_among(whole), "s3://b/other", "")


def test_what_others_record_does_no_harm() -> None:
    [job] = known_among([details("a", 1, subject="s3://u:secret@b/\udcff", command="\ud800")])
    assert "secret" not in job.subject
    json.dumps(job.facts()).encode()


def test_ids_can_be_read() -> None:
    assert new_id("caption").startswith("maccap-caption-20")
    assert new_id("caption") != new_id("caption")


def test_progress_is_the_last_that_was_printed() -> None:
    run = {"rows": 1200, "rows_expected": 5000, "errors": 3, "images_per_second": 45.14, "seconds_left": 80}
    lines = [json.dumps({"progress": {"rows": 1}}), "x", json.dumps({"progress": run}), '{"rows": 5000}', "{"]
    found = progress_of("\n".join(lines))
    assert found.line() == "1,200 of 5,000 images, 45.1 images/s, 3 errors, 1:20 left"
    assert found.facts() == run
    assert found.last_json == {"rows": 5000}
    train = {"stage": "train", "steps": 300, "step": 30, "loss": 1.5, "captions_per_second": 9}
    assert (
        progress_of(json.dumps({"progress": train})).line() == "30 of 300 steps, 9.0 captions/s, loss 1.500"
    )


@pytest.mark.parametrize(
    "line",
    [
        '{"progress": 3}',
        '{"progress": {"rows": NaN, "errors": 1e400}}',
        '{"progress": {"rows": "x"}}',
        "{" * 9000,
    ],
)
def test_odd_progress_says_nothing(line: str) -> None:
    assert progress_of(line).line() == ""


def test_a_log_commands_no_terminal() -> None:
    assert "\x1b" not in plain("\x1b]0;title\x07 \r red \udcff")
    assert plain("\tein Bär") == "\tein Bär"


def test_lines_of_a_log_store_tell_progress_and_are_no_answer() -> None:
    logged = {"time": "2026-11-29T12:00:00+00:00", "level": "info", "run": "r"}
    lines = [
        {**logged, "message": "progress", "progress": {"rows": 5, "rows_expected": 10}},
        {"output": "s3://bucket/r", "rows": 10},
        {**logged, "message": "chunk written", "chunk": "a.00000.parquet", "rows": 5},
    ]
    found = progress_of("\n".join(map(json.dumps, lines)))
    assert found.line() == "5 of 10 rows"
    assert found.last_json == lines[1]
