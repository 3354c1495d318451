"""Also for printed_lists.py: quotes in tables, closed and not, and lists in their cells."""

import csv
from pathlib import Path

import pytest

from pipeline.evaluate.reference_files import read_references
from pipeline.evaluate.references import Fields
from pipeline.formats.printed_lists import list_of
from pipeline.formats.quoted_rows import quoted_rows


def test_as_csv_reads_them_where_quotes_are_closed() -> None:
    text = 'a.jpg,"one, two"\nb.jpg,"one\ntwo, three\nfour"\n\nc.jpg,A "big" dog\n'
    lines = text.splitlines(keepends=True)
    assert [row for _, row in quoted_rows(lines, ",", 2, 1, 0)] == list(csv.reader(lines))


def test_a_cell_longer_than_any_is_an_error() -> None:
    lines = ['a.jpg,"one\n', *["a sentence of a caption\n"] * 10_000]
    with pytest.raises(csv.Error, match="field larger"):
        list(quoted_rows(lines, ",", 2, 1, 0))


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ('["A dog.", "A cat."]', ["A dog.", "A cat."]),
        ("['A dog.', \"A cat's.\"]", ["A dog.", "A cat's."]),
        ("['A dog.' 'A cat.'\n 'A cup.']", ["A dog.", "A cat.", "A cup."]),
        ("[{'answer': 'yes'}]", [{"answer": "yes"}]),
        ("[{'answer': 'yes'} {'answer': 'no'}]", None),
        ("[a sign] on a wall", None),
        ("A dog.", None),
    ],
)
def test_lists_in_cells(cell: str, texts: list[object] | None) -> None:
    assert list_of(cell) == texts


def test_references_lose_no_image_to_an_unclosed_quote(tmp_path: Path) -> None:
    lines = ["file_name,caption", *(f"{number}.jpg,A dog" for number in range(9))]
    lines[3], lines[6] = '2.jpg,"Parking', '5.jpg,A "big" dog'
    table = tmp_path / "metadata.csv"
    table.write_text("\n".join(lines))
    found = read_references(str(table), Fields())
    assert [image.texts for image in found.images][2:4] == [['"Parking'], ["A dog"]]
