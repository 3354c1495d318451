"""Read the caption table of a run folder, one chunk's file at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import file_name, parse_file_name
from pipeline.run.run_folder import CAPTIONS
from pipeline.storage.errors import UserError
from pipeline.storage.folder import Folder
from pipeline.storage.urls import absolute

_MADE_BY = {
    "caption": "it was asked and not captioned. `maccap ask --caption` does both",
    "answers": "it was captioned and not asked. `maccap ask` makes answers",
}
_OLDER = "it was made by another version, or with other settings"


def read_captions(run: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """These columns of each file, in the order of the file names. Raises UserError where there are none, or
    lack a column.
    """
    with _table(run) as folder:
        for name in caption_files(folder, run):
            with folder.open(name) as file:
                table = pq.ParquetFile(file)
                if lacking := [column for column in columns if column not in table.schema_arrow.names]:
                    raise UserError(
                        f"RUN {run} has no column {lacking[0]}: {_MADE_BY.get(lacking[0], _OLDER)}"
                    )
                yield table.read(columns=list(columns))


def table_columns(run: str) -> frozenset[str]:
    """The columns of the run's table; those of its first file. Raises UserError where it cannot be read."""
    with _table(run) as folder, folder.open(caption_files(folder, run)[0]) as file:
        return frozenset(pq.read_schema(file).names)


def caption_files(folder: Folder, run: str) -> list[str]:
    """The names of the files in the folder of a run's table, in order. Raises UserError where none is."""
    keys = sorted(key for name in folder.names() if (key := parse_file_name(name)))
    if not keys:
        raise UserError(
            f"RUN {run} holds no captions (no {CAPTIONS}/*.parquet). Give the OUTPUT of `maccap caption`."
        )
    return [file_name(*key) for key in keys]


@contextmanager
def _table(run: str) -> Iterator[Folder]:
    try:
        yield Folder(f"{absolute(run).rstrip('/')}/{CAPTIONS}")
    except (OSError, ValueError) as error:
        raise UserError(f"RUN {run} cannot be read: {error}") from None
