import pyarrow as pa
import pytest

from pipeline.chunk import SOURCE_SCHEMA, Chunk, chunk_file_name, parse_file_name, shard_file_stem


def _chunk(rows: int = 3) -> Chunk:
    names = [f"a/{row}" for row in range(rows)]
    samples = pa.Table.from_pylist(
        [{"image_id": name, "shard": "a.tar", "index": 0, "image": b"x" * 1000} for name in names],
        SOURCE_SCHEMA,
    )
    return Chunk("a.tar", 2, True, samples)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_chunk_survives_as_one_ray_row(rows: int) -> None:
    chunk = _chunk(rows)
    row = chunk.to_row()
    assert row.num_rows == 1
    (back,) = Chunk.from_rows(row)
    assert (back.shard, back.position, back.last) == ("a.tar", 2, True)
    assert back.samples.equals(chunk.samples)


def test_several_chunks_in_a_block_come_back_one_by_one() -> None:
    block = pa.concat_tables([_chunk(1).to_row(), _chunk(2).to_row()])
    for rows in (block, block.combine_chunks()):
        assert [chunk.samples.num_rows for chunk in Chunk.from_rows(rows)] == [1, 2]
        assert [chunk.samples.num_rows for chunk in Chunk.from_rows(rows.slice(1))] == [2]


def test_samples_are_read_without_a_copy() -> None:
    row = _chunk().to_row()
    block = row["samples"].chunk(0).buffers()[2]
    (back,) = Chunk.from_rows(row)
    data = back.samples["image"].chunk(0).buffers()[2]
    assert block.address <= data.address < block.address + block.size


def test_the_file_name_is_readable_and_a_function_of_shard_and_position() -> None:
    name = chunk_file_name("train/scenes-000003.tar", 2)
    assert name == "scenes-000003-23b2b6659702a680.00002.parquet"
    assert parse_file_name(name) == (shard_file_stem("train/scenes-000003.tar"), 2)


def test_shards_of_one_name_in_two_folders_have_files_of_their_own() -> None:
    assert shard_file_stem("a/0.tar") != shard_file_stem("b/0.tar")


@pytest.mark.parametrize("shard", ["猫/ 🐈.tar", "a b%c.tar.gz", "x" * 300 + ".tar", "...tar"])
def test_any_shard_makes_a_plain_file_name(shard: str) -> None:
    name = chunk_file_name(shard, 100_000)
    assert name.isascii()
    assert len(name) < 120
    assert not set(name) & set("/ %*?[]{}")
    assert parse_file_name(name) == (shard_file_stem(shard), 100_000)


@pytest.mark.parametrize(
    "name",
    [
        "x.parquet",
        "a-12345678.00000.parquet",
        ".a-0123456789abcdef.00000.parquet.1.tmp",
        "a-0123456789abcdef.00000.csv",
        "",
    ],
)
def test_other_files_are_not_taken_for_chunks(name: str) -> None:
    assert parse_file_name(name) is None
