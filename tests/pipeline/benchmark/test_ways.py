"""Also for setup.py, stages_alone.py and machine.py: the ways that are compared caption the same images,
as often and as long.
"""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from maccap.config import DecodingConfig
from pipeline.benchmark import stages_alone
from pipeline.benchmark.setup import Setup
from pipeline.benchmark.ways import OURS, SHARED, WAYS, open_way
from tests.images import write_shard

TOKENS = 5


@pytest.fixture
def setup(small_bundle: Path, tmp_path: Path) -> Setup:
    (tmp_path / "images").mkdir()
    write_shard(tmp_path / "images" / "a.tar", 3)
    return Setup(
        model=str(small_bundle),
        source=str(tmp_path / "images"),
        warm_up=str(tmp_path / "images"),
        work=str(tmp_path),
        decoding=DecodingConfig(candidates=2, max_new_tokens=TOKENS),
        gpu=False,
        precision="float32",
    )


@pytest.mark.parametrize("name", WAYS)
def test_each_way_draws_all_candidates(name: str, setup: Setup) -> None:
    way = open_way(name, setup)
    candidates = way(setup.tars()[0])
    assert [len(of_image) for of_image in candidates] == [2, 2, 2]
    assert len({text for of_image in candidates for text in of_image}) > 1
    lengths = [way.tokens(text) for of_image in candidates for text in of_image]
    assert 0 < max(lengths) <= TOKENS


def test_ours_writes_the_caption_table(setup: Setup) -> None:
    candidates = open_way(OURS, setup)(setup.tars()[0])
    rows = pq.read_table(f"{setup.work}/bare/captions").to_pylist()
    assert [[c["text"] for c in row["candidates"]] for row in rows] == candidates
    assert all(row["caption"] in drawn for row, drawn in zip(rows, candidates, strict=True))


def test_one_draw_can_serve_all_samples(setup: Setup) -> None:
    alone, shared = (open_way(name, setup)(setup.tars()[0]) for name in (OURS, SHARED))
    # the first candidate has the same noise and the same random numbers in both, the second has not
    assert [drawn[0] for drawn in alone] == [drawn[0] for drawn in shared]
    assert [drawn[1] for drawn in alone] != [drawn[1] for drawn in shared]


def test_every_stage_is_timed(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.benchmark.machine._SECONDS", 0.05)
    alone = stages_alone._measure(setup)
    assert [stage.stage.split()[0] for stage in alone.stages] == [
        *("read", "file", "CLIP", "adaptor", "prefill", "decode,", "rerank:", "flags")
    ]
    # flags may take less than is told, and steps are a difference of two times on a machine that is busy
    assert all(
        stage.milliseconds > 0 for stage in alone.stages if not stage.stage.startswith(("decode", "flags"))
    )
    read, pixels, *models, flags = alone.stages
    assert all(stage.of_matrix_rate is not None for stage in models)
    assert read.bytes_passed_on
    assert (pixels.bytes_passed_on or 0) > (flags.bytes_passed_on or 0) > 0
    assert alone.gflop_shared < alone.gflop
