"""Also for caption_stages.py: the whole chain of stages on a real, tiny, random model, without Ray."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from maccap.captioner import Captioner
from pipeline.execution.caption_stages import CaptionStages, ShardWork
from pipeline.execution.in_process import caption_in_process, captioned_chunks
from pipeline.prepare import open_bundle, run_facts
from pipeline.run.config import CaptionJobConfig
from pipeline.run.run_folder import RunFolder
from pipeline.sources import plan_source
from pipeline.storage.errors import RunError, UserError
from tests.captions import CAPTION_SCHEMA
from tests.images import BAD_FILES, encoded, hostile_files, picture, write_shard, write_tar


def _stages(model: Path, source: Path, output: str = "unused", **settings: Any) -> tuple[CaptionStages, list]:
    config = CaptionJobConfig(**settings)
    bundle = open_bundle(str(model))
    plan = plan_source(str(source))
    facts = run_facts(str(source), plan, str(model), bundle, config, "float32")
    stages = CaptionStages(output, bundle.pixel_spec(), facts, config, plan.columns)
    return stages, [ShardWork(shard) for shard in plan.shards]


def _rows(model: Path, source: Path, **settings: Any) -> list[dict[str, Any]]:
    stages, work = _stages(model, source, **settings)
    return [row for chunk in captioned_chunks(stages, work) for row in chunk.samples.to_pylist()]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_shard(folder / "a.tar", 7)
    broken = [("x.jpg", b"no image"), ("y.jpg", encoded(picture(50))), ("y.jpg", encoded(picture(51)))]
    write_tar(folder / "b.tar", broken)
    return folder


def test_every_row_is_captioned_with_its_best_candidate(small_bundle: Path, archive: Path) -> None:
    rows = _rows(small_bundle, archive)
    assert [row["image_id"] for row in rows] == [*(f"a/{n:05d}" for n in range(7)), "b/x", "b/y", "b/y#2"]
    assert [row["index"] for row in rows] == [*range(7), 0, 1, 2]
    for row in rows:
        if row["image_id"] == "b/x":
            assert row["error"]
            assert row["caption"] is row["candidates"] is row["clip_score"] is None
            continue
        scores = [candidate["clip_score"] for candidate in row["candidates"]]
        assert len(scores) == 4
        assert row["clip_score"] == max(scores)
        assert row["caption"] == row["candidates"][scores.index(max(scores))]["text"]
        assert all(candidate["logprob"] < 0 for candidate in row["candidates"])
        assert (row["width"], row["height"]) == (48, 40)
    assert rows[3]["metadata"] == '{"number": 3}'
    assert len({candidate["text"] for row in rows for candidate in row["candidates"] or []}) > 10


def test_intermediate_columns_leave_on_the_way(small_bundle: Path, archive: Path) -> None:
    stages, work = _stages(small_bundle, archive)
    (chunk, _) = captioned_chunks(stages, work)
    assert not {"image", "pixels", "global", "features"} & set(chunk.samples.column_names)


def test_captions_from_kept_features_are_those_from_the_images(
    small_bundle: Path, archive: Path, tmp_path: Path
) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    stages, work = _stages(small_bundle, archive, str(run), chunk_rows=3, keep_features=True)
    RunFolder(str(run)).begin(stages.facts)
    list(caption_in_process(stages, work))
    table = pq.read_table(run / "captions")
    assert (table.schema.field("global").type, table["global"].null_count) == (pa.list_(pa.float16(), 32), 0)
    assert table.schema.field("features").type == pa.list_(pa.float16(), 4 * 32)
    with pytest.raises(UserError, match="not complete"):
        plan_source(str(run))
    RunFolder(str(run)).finish({})

    def captions(rows: list[dict[str, Any]]) -> list[tuple]:
        return [tuple(row[name] for name in CAPTION_SCHEMA.names) for row in rows]

    expected = captions(_rows(small_bundle, archive, chunk_rows=3))
    assert captions(_rows(small_bundle, run)) == expected
    assert [row[5] for row in captions(_rows(small_bundle, run, seed=7))] != [row[5] for row in expected]
    stages, work = _stages(small_bundle, run, str(again), decoding={"candidates": 2})
    RunFolder(str(again)).begin(stages.facts)
    list(caption_in_process(stages, work))
    rows = pq.read_table(again / "captions").to_pylist()
    assert [row["image_id"] for row in rows] == [row[0] for row in expected]
    assert {len(row["candidates"]) for row in rows if row["candidates"]} == {2}
    with pytest.raises(UserError, match="keeps no features"):
        plan_source(str(again))


def test_chunk_and_batch_sizes_do_not_change_captions(small_bundle: Path, archive: Path) -> None:
    def captions(**settings: Any) -> list[tuple]:
        rows = _rows(small_bundle, archive, **settings)
        return [(r["image_id"], r["caption"], [c["text"] for c in r["candidates"] or []]) for r in rows]

    expected = captions()
    for settings in (
        {"chunk_rows": 1},
        {"chunk_rows": 3, "feature_batch": 2, "candidate_batch": 1, "rerank_batch": 2},
        {"chunk_bytes": 2000, "candidate_batch": 5},
    ):
        assert captions(**settings) == expected, settings


def test_the_seed_changes_captions(small_bundle: Path, archive: Path) -> None:
    first, second = (_rows(small_bundle, archive, seed=seed) for seed in (0, 1))
    assert [row["caption"] for row in first] != [row["caption"] for row in second]


def test_decoding_overrides_reach_the_sampler(small_bundle: Path, archive: Path) -> None:
    rows = _rows(small_bundle, archive, decoding={"candidates": 2, "max_new_tokens": 1})
    candidates = [candidate for row in rows for candidate in row["candidates"] or []]
    assert len(candidates) == 2 * 9
    assert max(len(candidate["text"].split()) for candidate in candidates) == 1


def test_captions_are_those_of_the_captioner(small_bundle: Path, tmp_path: Path) -> None:
    """The same ids and seed through both, for images that have to be made upright, opaque and 8 bits."""
    clear = picture(3).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    files = {name: hostile_files()[name] for name in ("turned.jpg", "grey16.png", "cmyk.jpg", "UPPER.TIFF")}
    files["clear.png"] = encoded(clear, "PNG")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    rows = _rows(small_bundle, tmp_path, seed=5)
    assert len(rows) == len(files)
    ids = [row["image_id"] for row in rows]
    captioner = Captioner.from_pretrained(small_bundle, device="cpu")
    captions = captioner.caption([tmp_path / name for name in ids], ids=ids, seed=5)
    assert [caption.text for caption in captions] == [row["caption"] for row in rows]
    for caption, row in zip(captions, rows, strict=True):
        assert [c.text for c in caption.candidates] == [c["text"] for c in row["candidates"]]
        assert [c.clip_score for c in caption.candidates] == pytest.approx(
            [c["clip_score"] for c in row["candidates"]], abs=1e-6
        )


def test_hostile_files_are_rows_and_counts_add_up(small_bundle: Path, tmp_path: Path) -> None:
    source = tmp_path / "images"
    source.mkdir()
    for name, data in hostile_files().items():
        (source / name).write_bytes(data)
    output = str(tmp_path / "run")
    stages, work = _stages(small_bundle, source, output, chunk_rows=4)
    RunFolder(output).begin(stages.facts)
    results = list(caption_in_process(stages, work))
    assert RunFolder(output).written().decoders == {}
    rows = pq.read_table(f"{output}/captions").to_pylist()
    assert sorted(row["image_id"] for row in rows) == sorted(hostile_files())
    assert {row["image_id"] for row in rows if row["error"]} == set(BAD_FILES)
    assert all((row["caption"] is None) == (row["error"] is not None) for row in rows)
    assert sum(result.rows for result in results) == len(rows)
    assert sum(result.errors for result in results) == len(BAD_FILES)
    turned = next(row for row in rows if row["image_id"] == "turned.jpg")
    assert (turned["width"], turned["height"]) == (40, 48)


def test_images_of_other_decoders_are_counted_by_them(small_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif.HeifImagePlugin")
    source, output = tmp_path / "images", str(tmp_path / "run")
    source.mkdir()
    for number in range(3):
        (source / f"{number}.jpg").write_bytes(encoded(picture(number), "HEIF"))
    (source / "3.jpg").write_bytes(encoded(picture(3)))
    stages, work = _stages(small_bundle, source, output, chunk_rows=2)
    RunFolder(output).begin(stages.facts)
    list(caption_in_process(stages, work))
    assert RunFolder(output).written().decoders == {"pillow_heif": 3}


def test_a_resumed_shard_gives_the_missing_chunks_alone(small_bundle: Path, archive: Path) -> None:
    stages, work = _stages(small_bundle, archive, chunk_rows=2)
    whole = {(chunk.shard, chunk.position): chunk for chunk in captioned_chunks(stages, work)}
    resumed = list(captioned_chunks(stages, [ShardWork(work[0].shard, (0, 2))]))
    assert [chunk.position for chunk in resumed] == [1, 3]
    assert resumed == [whole["a.tar", 1], whole["a.tar", 3]]


def test_what_breaks_is_told_with_its_stage_and_chunk_and_no_traceback(
    small_bundle: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages, work = _stages(small_bundle, archive)

    def out_of_memory(self: object, samples: object) -> None:
        raise MemoryError("too much")

    monkeypatch.setattr("pipeline.stages.rerank.RerankStage.__call__", out_of_memory)
    with pytest.raises(RunError, match=r"stage rerank failed at a-.*: MemoryError: too much\. Lower"):
        list(captioned_chunks(stages, work))

    def damaged(*arguments: object) -> None:
        raise OSError("header too small")

    monkeypatch.setattr("pipeline.stages.features.FeatureStage.build", damaged)
    with pytest.raises(RunError, match="stage features cannot start: OSError: header too small"):
        list(captioned_chunks(stages, work))


def test_rows_passed_over_count_as_read(small_bundle: Path, archive: Path) -> None:
    stages, work = _stages(small_bundle, archive, chunk_rows=2)
    told: list[int] = []
    list(
        captioned_chunks(
            stages, [ShardWork(work[0].shard, {0: range(2), 2: range(4, 6)})], note_read=told.append
        )
    )
    assert told[-1] == 7
    assert told == sorted(told)
