"""A run's caption table, as one data set of its files."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from fsspec import AbstractFileSystem

CAPTIONS = "captions"


def read_table(run: str) -> "ds.Dataset":
    """The table of the run at a path or URL of fsspec's (`s3://`, `gs://`, `hf://`), to filter and to read
    batch by batch: `read_table(run).to_batches(columns=["image_id", "caption"])`, or by DuckDB or Polars.

    Its schema is that of all files together: a column that some of them lack, as those of an earlier version
    do, is null there. Raises FileNotFoundError where no caption is written.
    """
    import fsspec
    import pyarrow as pa
    import pyarrow.dataset as ds
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    filesystem, path = fsspec.core.url_to_fs(run)
    folder = f"{path.rstrip('/')}/{CAPTIONS}"
    try:
        names = sorted(str(entry) for entry in filesystem.ls(folder, detail=False))
    except FileNotFoundError:
        names = []
    files = [name for name in names if name.endswith(".parquet") and "/." not in name[len(path) :]]
    if not files:
        raise FileNotFoundError(f"{run} holds no {CAPTIONS}/*.parquet: give the OUTPUT of `maccap caption`")
    with ThreadPoolExecutor(16) as pool:
        read = pool.map(partial(_schema, filesystem), files)
        schemas = list({schema.serialize().to_pybytes(): schema for schema in read}.values())
    unified = pa.unify_schemas(schemas, promote_options="permissive")
    return ds.dataset(files, unified, "parquet", filesystem=PyFileSystem(FSSpecHandler(filesystem)))


def _schema(filesystem: "AbstractFileSystem", file: str) -> "pa.Schema":
    import pyarrow.parquet as pq

    with filesystem.open(file, "rb") as source:
        return pq.read_schema(source).remove_metadata()
