"""Also for cluster.py, ray_operators.py and worker_activity.py, without Ray; whole runs on it are in
tests/jobs/test_caption.py.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from ray.exceptions import ObjectStoreFullError, OutOfMemoryError, RayActorError, RayError

from pipeline.chunk import Chunk
from pipeline.execution import cluster, ray_graph
from pipeline.execution.worker_activity import _Activity
from pipeline.stages.registry import stages_of
from pipeline.stages.resources import Machine, StageResources
from pipeline.stages.steps import resources_for
from pipeline.storage.errors import RunError, UserError

CAPTIONING = stages_of(("caption",))


def test_no_work_is_no_graph() -> None:
    assert ray_graph.shard_rows([]) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ObjectStoreFullError("full"), ["/dev/shm", "chunk_bytes"]),
        (OutOfMemoryError("killed"), ["out of memory", "candidate_batch"]),
        (RayActorError(), ["out of memory", "`actors`"]),
        (RayError("odd"), []),
    ],
)
def test_what_ray_raises_has_its_fix(error: RayError, words: list[str]) -> None:
    fix = ray_graph._fix(error)
    assert all(word in fix for word in words)
    assert bool(fix) == bool(words)


def test_of_a_traceback_the_last_message_is_said() -> None:
    text = "Traceback (most recent call last):\n  File x, line 1\nValueError: the reason\n  with more"
    assert ray_graph._last_message(RayError(text)) == "ValueError: the reason with more"


def test_an_error_of_a_stage_names_it_and_the_chunk() -> None:
    chunk = Chunk("a.tar", 3, False, pa.table({"image_id": ["x"]}))
    with (
        pytest.raises(RunError, match=r"stage rerank failed at a-.*\.00003\.parquet: KeyError: 'drawn'"),
        ray_graph._said_of("rerank", chunk),
    ):
        raise KeyError("drawn")
    with pytest.raises(UserError, match="as it is"), ray_graph._said_of("rerank", chunk):
        raise UserError("as it is")


def test_requests_are_the_chosen_ones_or_fitted_and_have_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [Machine(2)]
    monkeypatch.setattr(cluster, "connect_to_ray", lambda: True)
    monkeypatch.setattr(cluster, "nodes_alive", lambda: there)
    assert cluster.Cluster(None, CAPTIONING).resources == resources_for(CAPTIONING, 2, 0)
    assert not cluster.Cluster(None, CAPTIONING).has_gpu
    with pytest.raises(UserError, match=r"the stages ask for .* CPUs"):
        _ = cluster.Cluster(resources_for(CAPTIONING, 64, 0), CAPTIONING).resources
    there[:] = [Machine(4, 1)]
    assert cluster.Cluster(None, CAPTIONING).has_gpu


def test_a_cluster_that_grows_from_nothing_is_fitted_to_what_is_expected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = [Machine(0)]
    monkeypatch.setattr(cluster, "connect_to_ray", lambda: False)
    monkeypatch.setattr(cluster, "nodes_alive", lambda: there)
    nothing_yet = cluster.Cluster(None, CAPTIONING, expected_gpus=8).resources
    assert nothing_yet.stages["candidates"] == StageResources(num_cpus=0.6, num_gpus=0.25, actors=8)
    there[:] = [Machine(96, 8)] * 2  # more than was expected
    assert cluster.Cluster(None, CAPTIONING, expected_gpus=8).resources.stages["candidates"].actors == 16


def test_what_workers_do_is_told_the_longest_at_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    activity = _Activity()
    activity.begin("a:1", "decode", "x.00001.parquet")
    now[0] = 5
    activity.begin("b:2", "candidates", "y.00002.parquet")
    now[0] = 7
    assert activity.report() == [
        "decode has been at x.00001.parquet for 7 s (worker a:1)",
        "candidates has been at y.00002.parquet for 2 s (worker b:2)",
    ]
    activity.end("a:1")
    assert len(activity.report()) == 1


def test_rows_read_only_grow() -> None:
    activity = _Activity()
    for shard, rows in (("a", 3), ("b", 2), ("a", 1), ("a", 5)):
        activity.note_read(shard, rows)
    assert activity.rows_read() == 7
    assert activity.quiet() >= 0


def test_own_packages_are_sent_along_where_others_have_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs.py").write_text("")
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = cluster._own_packages()
    assert callable(options["runtime_env"]["worker_process_setup_hook"])
