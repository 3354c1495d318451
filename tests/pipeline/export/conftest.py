"""One run over two tars, which most tests export."""

from pathlib import Path

import pytest

from tests.pipeline.export.runs import Row, captioned, tars, write_run


def _with_an_error(row: Row) -> Row:
    return {"error": "damaged image"} if row["image_id"] == "part-000/0003" else captioned(row)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tars(tmp_path_factory.mktemp("export") / "tars")


@pytest.fixture(scope="session")
def run(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """12 images in two tars, one of them an error."""
    return write_run(tmp_path_factory.mktemp("export") / "run", archive, _with_an_error)
