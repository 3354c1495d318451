"""Read the caption table of a run folder, one chunk's file at a time."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.chunk import parse_file_name
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
    folder = Folder(f"{absolute(run).rstrip('/')}/{CAPTIONS}")
    try:
        names = [name for name in folder.names() if parse_file_name(name)]
        if not names:
            raise UserError(
                f"RUN {run} holds no captions (no {CAPTIONS}/*.parquet). Give the OUTPUT of `maccap caption`."
            )
        for name in names:
            with folder.open(name) as file:
                table = pq.ParquetFile(file)
                if lacking := [column for column in columns if column not in table.schema_arrow.names]:
                    raise UserError(
                        f"RUN {run} has no column {lacking[0]}: {_MADE_BY.get(lacking[0], _OLDER)}"
                    )
                yield table.read(columns=list(columns))
    except (OSError, ValueError) as error:
        raise UserError(f"RUN {run} cannot be read: {error}") from None
