"""Also for printed_lists.py: quotes in tables, closed and not, and lists in their cells."""

import csv
import io
import random
from pathlib import Path

import pytest

from pipeline.evaluate.reference_files import read_references
from pipeline.evaluate.references import Fields
from pipeline.formats.printed_lists import list_of
from pipeline.formats.quoted_rows import quoted_rows


def test_as_csv_reads_them_where_quotes_are_closed() -> None:
    """Also texts whose further lines look like rows: dates, numbers, lists."""
    rng = random.Random(0)
    words = [
        "1889",
        "2,500",
        "12:30",
        "x.jpg",
        "a dog",
        'a "big" dog',
        "Size, M",
        "17th-century, clay",
        "\n",
        ",",
    ]
    for image, width in [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (None, 2), (None, 3)]:
        for _ in range(50):
            rows = [
                [
                    f"{n}.jpg" if place == image else "\n".join(rng.choices(words, k=rng.randint(1, 4)))
                    for place in range(width)
                ]
                for n in range(8)
            ]
            written = io.StringIO()
            csv.writer(written).writerows(rows)
            lines = io.StringIO(written.getvalue(), newline="").readlines()
            assert [row for _, row in quoted_rows(lines, ",", width, image)] == rows


@pytest.mark.parametrize(
    ("lines", "image"),
    [
        (['1.jpg,"A dog', "2.jpg,A cat", '3.jpg,A "big" hat'], 0),
        (['"A dog,1.jpg', '"A cat, B",2.jpg', "A hat,3.jpg"], 1),
        (['https://host/1,"A dog', "https://host/2,A cat, B", "https://host/3,A hat"], None),
        (['A dog,1.jpg,"x', "A cat,2.jpg,y", "A hat, B,3.jpg,z"], 1),
    ],
)
def test_a_quote_that_is_never_closed_ends_with_its_line(lines: list[str], image: int | None) -> None:
    width = lines[0].count(",") + 1
    rows = list(quoted_rows([f"{line}\n" for line in lines], ",", width, image))
    assert [number for number, _ in rows] == [1, 2, 3]
    assert rows[0][1] == lines[0].split(",")


def test_unclosed_quotes_without_end() -> None:
    lines = [f'{number}.jpg,"A dog\n' for number in range(50_000)]
    assert sum(len(row) == 2 for _, row in quoted_rows(lines, ",", 2, 0)) == 50_000


def test_a_cell_longer_than_any_is_an_error() -> None:
    lines = ['a.jpg,"one\n', *["a sentence of a caption\n"] * 10_000]
    with pytest.raises(csv.Error, match="field larger"):
        list(quoted_rows(lines, ",", 2, 0))


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ('["A dog.", "A cat."]', ["A dog.", "A cat."]),
        ("['A dog.', \"A cat's.\"]", ["A dog.", "A cat's."]),
        ("['A dog.' 'A cat.'\n 'A cup.']", ["A dog.", "A cat.", "A cup."]),
        ("[np.str_('A dog.'), np.str_(\"it's\")]", ["A dog.", "it's"]),
        ("[os.system('A dog.')]", None),
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
