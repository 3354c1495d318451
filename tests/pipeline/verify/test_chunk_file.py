from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from maccap.config import DecodingConfig
from pipeline.chunk import DECODERS_KEY, Chunk
from pipeline.run.facts import RunFacts
from pipeline.stages.write import CaptionWriter, read_footer
from pipeline.storage.folder import Folder
from pipeline.verify.chunk_file import ChunkFileError, read_chunk_file
from tests.captions import CAPTION_SCHEMA

FACTS = RunFacts(
    source="/data",
    keys="auto",
    model="/model",
    model_fingerprint="f",
    decoding=DecodingConfig(),
    seed=0,
    chunk_rows=4,
    chunk_bytes=1000,
    max_pixels=1000,
    max_bytes=1000,
    accept_truncated=False,
    precision="float32",
    version="1",
)


def _rows(count: int = 20) -> pa.Table:
    numbers = np.random.default_rng(0)
    rows = []
    for row in range(count):
        words = numbers.choice(["a", "dog", "cat", "naïve", "\U0001f408"], 4).tolist()
        score = float(np.float32(numbers.random()))
        candidates = [{"text": " ".join(words[:n]), "clip_score": score, "logprob": -1.5} for n in (2, 4)]
        captioned = {"caption": " ".join(words), "clip_score": score, "candidates": candidates}
        place = {"image_id": f"a/{row}", "shard": "a.tar", "index": row, "metadata": None}
        rows.append({**place, **(captioned if row % 7 else {"error": "damaged image"})})
    return pa.Table.from_pylist(rows, CAPTION_SCHEMA)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    chunk = Chunk("a.tar", 3, True, _rows())
    CaptionWriter(str(tmp_path), FACTS.for_footer(), CAPTION_SCHEMA)(chunk)
    return tmp_path / chunk.file_name


def _read(file: Path) -> pa.Table:
    return read_chunk_file(Folder(str(file.parent)), file.name, 3, FACTS).rows


@pytest.mark.parametrize("count", [0, 20])
def test_what_was_written_is_read_back(tmp_path: Path, count: int) -> None:
    chunk = Chunk("a.tar", 3, True, _rows(count))
    CaptionWriter(str(tmp_path), FACTS.for_footer(), CAPTION_SCHEMA)(chunk)
    assert _read(tmp_path / chunk.file_name).equals(chunk.samples)


def test_a_file_with_images_that_another_package_decoded_is_read_back(tmp_path: Path) -> None:
    decoded = _rows().replace_schema_metadata({DECODERS_KEY: b'{"tifffile": 2}'})
    chunk = Chunk("a.tar", 3, True, decoded)
    CaptionWriter(str(tmp_path), FACTS.for_footer(), CAPTION_SCHEMA)(chunk)
    footer = read_footer(Folder(str(tmp_path)), chunk.file_name)
    assert footer is not None
    assert footer.decoders == {"tifffile": 2}
    assert _read(tmp_path / chunk.file_name).equals(_rows())


def test_a_flipped_bit_anywhere_is_found(file: Path) -> None:
    content = file.read_bytes()
    numbers = np.random.default_rng(0)
    version = f"version {pa.__version__}".encode()  # of pyarrow: another one is no damage
    start = content.index(version)
    anywhere = numbers.choice(len(content), 300, replace=False).tolist()
    for place in [*anywhere, *range(start - 24, start), start + len(version)]:
        if start <= place < start + len(version):
            continue
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(numbers.integers(8))
        file.write_bytes(damaged)
        with pytest.raises(ChunkFileError):
            _read(file)


@pytest.mark.parametrize("length", [0, 3, 4, 100, -1, -8])
def test_a_file_cut_short_is_found(file: Path, length: int) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ChunkFileError, match="is damaged and cannot be read"):
        _read(file)


def test_a_file_of_an_earlier_version_of_the_program_is_sound(file: Path) -> None:
    later = FACTS.model_copy(update={"version": "2"})
    assert read_chunk_file(Folder(str(file.parent)), file.name, 3, later).last
