"""Tables of questions: Parquet of which the needed columns alone are read."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.questions.read import read_questions
from pipeline.questions.records import AskedQuestion
from pipeline.storage.errors import UserError


def write(path: Path, **columns: pa.Array) -> str:
    pq.write_table(pa.table(columns), path)
    return str(path)


def test_rows_of_many_batches(tmp_path: Path) -> None:
    numbers = range(10_000)
    file = write(
        tmp_path / "q.parquet",
        question=pa.array([f"What is {n}?" for n in numbers]).dictionary_encode(),
        image_id=pa.array([float(n) for n in numbers]),
        image=pa.array([b"\xff\xd8 a picture"] * len(numbers)),
        answers=pa.array([["yes"]] * len(numbers)),
    )
    assert list(read_questions(file)) == [AskedQuestion(None, str(n), f"What is {n}?") for n in numbers]


def test_images_as_hugging_face_datasets_hold_them(tmp_path: Path) -> None:
    image = pa.array([{"bytes": b"\xff\xd8", "path": "1.jpg"}, {"bytes": b"\xff\xd8", "path": "2.jpg"}])
    questions = pa.array([["What?", "Where?"], ["Who?"]])
    asked = list(read_questions(write(tmp_path / "q.parquet", image=image, questions=questions)))
    assert asked == [
        AskedQuestion(None, "1.jpg", "What?"),
        AskedQuestion(None, "1.jpg", "Where?"),
        AskedQuestion(None, "2.jpg", "Who?"),
    ]


def test_a_row_without_an_image(tmp_path: Path) -> None:
    file = write(tmp_path / "q.parquet", image=pa.array(["1", None]), question=pa.array(["?", "?"]))
    with pytest.raises(UserError, match="row 2: it names no image"):
        list(read_questions(file))


def test_no_column_of_questions(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no column for the question \(image, answer\)"):
        list(read_questions(write(tmp_path / "q.parquet", image=pa.array(["1"]), answer=pa.array(["a"]))))
