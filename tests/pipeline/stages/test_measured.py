"""What is measured of a chunk travels with it, adds up, and stays out of the table; for error_kind.py too."""

import json

import pyarrow as pa
import pytest

from pipeline.chunk import Chunk
from pipeline.stages.error_kind import OTHERS, kind_of
from pipeline.stages.measured import (
    Measured,
    Stopwatch,
    measured_of,
    read_measured,
    run_measured,
    with_measured,
)
from pipeline.stages.stage import Stage
from pipeline.stages.steps import Step
from pipeline.stages.write import WriteResult, file_content

SAMPLES = pa.table(
    {
        "image_id": ["a", "b", "c"],
        "index": [0, 1, 2],
        "error": [None, "damaged image: broken stream", None],
        "clip_score": pa.array([0.251, None, 0.148], pa.float32()),
    }
)


class _Forgetful(Stage):
    """Counts tokens, and drops what was noted of the samples before."""

    name = "forgetful"
    title = "a stage"
    needs = ()
    adds = ()

    @classmethod
    def build(cls, settings: object, runtime: object) -> "_Forgetful":
        return cls()

    def __call__(self, samples: pa.Table) -> pa.Table:
        return with_measured(samples.replace_schema_metadata({"own": "kept"}), Measured(tokens=5))


def test_each_stage_adds_to_what_was_noted_before() -> None:
    [chunk] = read_measured(iter([Chunk("s", 0, True, SAMPLES)]))
    step = Step(_Forgetful, ())
    samples = run_measured(step, _Forgetful(), run_measured(step, _Forgetful(), chunk.samples))
    measured = measured_of(samples)
    assert list(measured.seconds) == ["read", "forgetful"]
    assert min(measured.seconds.values()) > 0
    assert measured.tokens == 10
    assert samples.schema.metadata[b"own"] == b"kept"
    assert samples.equals(SAMPLES)


def test_it_travels_through_ray_and_with_the_result() -> None:
    measured = Measured({"read": 0.5}, {"damaged image": 1}, {"0.25": 2}, 7, 3)
    [back] = Chunk.from_rows(Chunk("s", 0, True, with_measured(SAMPLES, measured)).to_row())
    assert measured_of(back.samples) == measured
    result = WriteResult("s", 0, True, 3, 1, 10, 0.1, measured)
    assert WriteResult.from_json(result.to_json()) == result


def test_nothing_of_it_is_in_the_file() -> None:
    schema = pa.schema([("image_id", pa.string()), ("error", pa.string())])
    files = [
        file_content(samples, b"{}", 0, True, schema).to_pybytes()
        for samples in (SAMPLES, with_measured(SAMPLES, Stopwatch().stop("read")))
    ]
    assert files[0] == files[1]


def test_rows_tell_their_errors_and_scores() -> None:
    measured = Measured.of_rows(SAMPLES)
    assert measured.errors == {"damaged image": 1}
    assert measured.scores == {"0.25": 1, "0.15": 1}
    assert measured.mean_score == pytest.approx(0.2)
    assert Measured.of_rows(SAMPLES.drop_columns(["clip_score"])).mean_score is None
    facts = (measured + measured).facts()
    assert facts["errors"] == {"damaged image": 2}
    assert json.loads(json.dumps(facts)) == facts


def test_of_hostile_errors_only_so_many_kinds_are_told_apart() -> None:
    errors = [f"{chr(0x4E00 + number)} is odd" for number in range(500)]
    table = pa.table({"error": errors})
    total = Measured.of_rows(table.slice(0, 250)) + Measured.of_rows(table.slice(250))
    assert len(total.errors) == 31
    assert total.errors[OTHERS] == 500 - 30
    assert sum(total.errors.values()) == 500


def test_details_are_no_kind() -> None:
    assert kind_of("damaged image: broken stream") == "damaged image"
    assert kind_of("the rest of shard a/b.tar cannot be read: x") == "the rest of shard … cannot be read"
    assert kind_of("line 7 names no image: KeyError") == "line … names no image"
    assert kind_of("") == OTHERS
