"""Text files as other projects publish them, by a few lines of each."""

import io
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts.found import Found, NoCaptionsError
from pipeline.texts.table import read_text

DOG, CAT = "A dog , running .", "Two cats in a box"
NAMES = ("1000268201_693b08cb0e.jpg", "1001773457_577c3a7d70.jpg")


def _read(data: str | bytes, name: str = "x.txt", column: str | None = None) -> list[Found]:
    """Whose images test_images.py looks at."""
    data = data.encode() if isinstance(data, str) else data
    found = read_text(io.BytesIO(data), name, Path(name).suffix, column, [].append)
    return [each._replace(image=None) for each in found]


def _note(data: str, name: str) -> list[str]:
    notes: list[str] = []
    list(read_text(io.BytesIO(data.encode()), name, Path(name).suffix, None, notes.append))
    return notes


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("Flickr8k.token.txt", "", "{name}#{number}\t{caption}"),
        ("results_20130124.token", "", "{name}#{number}\t{caption}"),
        ("captions.txt", "image,caption", '{name},"{caption}"'),
        ("captions.txt", "image,caption", "{name},{caption}"),
        ("results.csv", "image_name| comment_number| comment", "{name}| {number}| {caption}"),
        ("x.txt", "", "{name}|{number}|{caption}"),
        ("x.txt", "", "{name} {caption}"),
        ("x.txt", "", "images/{name};{caption}"),
        ("x.csv", "", "{name},{caption}"),
        ("x.csv", "", '"{name}",{number},"{caption}"'),
        ("Train_GCC-training.tsv", "", "{caption}\thttps://host/a,b/{name}"),
        ("labels.tsv", "", "{caption}\thttps://host/{name}\tdog,park\t/m/01g,/m/0bt\t0.9,0.8"),
        ("cc12m.tsv", "", "https://host/{name}\t{caption}"),
        ("train.txt", "", "{caption}\thttps://host/{name}"),
        ("open_clip.csv", "filepath\ttitle", "{name}\t{caption}"),
        ("laion.csv", "URL,TEXT,WIDTH", 'https://host/{name},"{caption}",512'),
        (
            "wit.tsv",
            "page_title\tcaption_reference_description\timage_url",
            "Dog\t{caption}\thttps://host/{name}",
        ),
        ("metadata.csv", "file_name,text", '{name},"{caption}"'),
        ("coco_cn.txt", "", "COCO_train2014_00000000000{number}#zhb#0\t{caption}"),
        ("ids.txt", "", "{number}\t{caption}"),
        ("x.csv", "Caption", '"{caption}"'),
        ("plain.txt", "", "{caption}"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_captions_and_nothing_else(name: str, header: str, row: str, end: str) -> None:
    lines = [header] if header else []
    for number, caption in enumerate((DOG, CAT, DOG)):
        lines.append(row.format(name=NAMES[number % 2], number=number, caption=caption))
    assert [(found.text or "").strip() for found in _read(end.join(lines) + end, name)] == [DOG, CAT, DOG]


@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        (
            "x.txt",
            f"{NAMES[0]}#0\t{DOG}\n",
            ["table without a header, tabs between columns, captions in column 2"],
        ),
        (
            "x.txt",
            f"image,caption\n{NAMES[0]},{CAT}\n",
            ["table with commas between columns, captions in `caption`"],
        ),
        ("x.csv", f"url,TEXT\nu,{CAT}\n", ["table with commas between columns, captions in `TEXT`"]),
        ("x.csv", f"url,caption\nu,{CAT}\n", []),
        ("x.txt", f"{DOG}\n", []),
    ],
)
def test_what_is_not_plain_is_said(name: str, data: str, note: list[str]) -> None:
    assert _note(data, name) == note


@pytest.mark.parametrize(
    "text",
    [
        "A dog, a caption\nimage, caption and more\n",
        "3, 2, 1, lift-off\n5 dogs, 3 cats\n",
        "Dog | Stock photo\nCat | Stock photo\n",
        "red; green\nblue; white\n",
        "2 dogs\n3 cats\n",
        "one\ttab among many lines\n" + "A dog\n" * 20,
        'a "quoted, word\n"and another\n',
    ],
)
def test_sentences_stay_lines(text: str) -> None:
    assert [found.text for found in _read(text)] == text.splitlines(keepends=True)


def test_csv() -> None:
    data = b'id,caption\r\n1,"A dog, ""running"""\r\n2\r\n\r\n3,"two\r\nlines"\r\n4,\r\n5,A \xff cat'
    assert _read(data, "x.csv") == [
        Found('A dog, "running"', 2),
        Found(None, 3, broken=True),
        Found("two\r\nlines", 6),
        Found("", 7),
        Found("A \udcff cat", 8),
    ]
    assert _read("text\tid\nA dog, a cat\t1\n", "x.tsv", "text") == [Found("A dog, a cat", 2)]
    assert _read("", "x.csv") == []
    assert _read("\ufeffcaption,image\nA dog,x.jpg\n", "x.csv") == [Found("A dog", 2)]


def test_commas_without_quotes_cut_no_caption() -> None:
    assert _read("caption,image\nA dog, a cat, a cup,x.jpg\n", "x.csv") == [Found("A dog, a cat, a cup", 2)]
    assert _read("image,caption\nx.jpg,A dog, a cat\ny.jpg,A cup,,\n") == [
        Found("A dog, a cat", 2),
        Found("A cup", 3),
    ]
    assert _read("id,caption,image\n1,A dog, a cat,x.jpg\n", "x.csv") == [Found(None, 2, broken=True)]


def test_a_quote_of_tab_separated_text_swallows_no_lines() -> None:
    rows = [f'{number}.jpg\t"A dog{number}' for number in range(30)]
    for header in ([], ["image\tcaption"]):
        found = _read("\n".join([*header, *rows]), "x.tsv")
        assert [(item.text or "").strip('"') for item in found] == [f"A dog{number}" for number in range(30)]
    assert _read('image\tcaption\nx.jpg\t"A ""big"" dog"\n', "x.tsv") == [Found('A "big" dog', 2)]


@pytest.mark.parametrize(
    "header", ["image,caption", "caption,image", "id,caption", "image,caption,url", None]
)
def test_a_quote_that_is_never_closed_swallows_no_rows(header: str | None) -> None:
    columns = (header or "image,caption").split(",")
    texts = [f"A dog{number}" for number in range(3000)]
    texts[5], texts[9] = '"Parking, says a sign', '""'
    texts[20] = '"Stop'  # nothing closes this one
    cells = {"id": "{n}", "image": "{n}.jpg", "caption": "{text}", "url": "https://host/{n}"}
    row = ",".join(cells[column] for column in columns)
    lines = [*([header] if header else []), *(row.format(n=n, text=text) for n, text in enumerate(texts))]
    if columns[-1] == "url":  # after the caption: its own commas would be cells
        texts[5] = '"Parking'
        lines[6] = row.format(n=5, text=texts[5])
    found = _read("\n".join(lines), "x.csv")
    assert [item.text for item in found] == [text.replace('""', "") for text in texts]
    assert [item.place for item in found] == [n + 1 + bool(header) for n in range(len(texts))]


@pytest.mark.parametrize("header", ["image,caption", "caption,image", "id,caption,image"])
def test_captions_of_several_lines_stay_whole(header: str) -> None:
    text = "Two dogs, black\nand white,\nrun, then\nrest"
    cells = {"id": "{n}", "image": "{n}.jpg", "caption": f'"{text}"'}
    row = ",".join(cells[column] for column in header.split(","))
    lines = [header, *(row.format(n=n) for n in range(20))]
    assert [item.text for item in _read("\n".join(lines), "x.csv")] == [text] * 20


def test_lists_in_cells_and_splits() -> None:
    data = (
        'raw,split,filename\n"[""A dog."", ""A cat.""]",train,x.jpg\n'
        '"[\'A cup.\', \'A ""hat""\']",test,y.jpg\n[not a list,,z.jpg\n'
        "\"['A bed.'\n 'A rug.']\",val,w.jpg\n"
    )
    assert _read(data, "x.csv") == [
        Found("A dog.", 2, "train"),
        Found("A cat.", 2, "train"),
        Found("A cup.", 3, "test"),
        Found('A "hat"', 3, "test"),
        Found("[not a list", 4),
        Found("A bed.", 6, "val"),
        Found("A rug.", 6, "val"),
    ]


def test_a_column_by_name_or_number() -> None:
    table = "de\ten\nEin Hund läuft\tA dog runs\n"
    assert _read(table, "x.txt", "en") == [Found("A dog runs", 2)]
    assert [found.text for found in _read(table.replace("de\ten\n", ""), "x.txt", "2")] == ["A dog runs"]
    assert [found.text for found in _read("A dog.\n", "x.txt", "en")] == ["A dog.\n"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "x.csv",
            "id,utterance\n1,A dog.\n",
            "--column: id, utterance. Its first line must name the columns",
        ),
        ("x.txt", "image,beschreibung\na.jpg,Ein Hund\n", "--column: image, beschreibung"),
        (
            "x.txt",
            "image\tbeschreibung\ttitel\na.jpg\tEin Hund\tHund\n",
            "--column: image, beschreibung, titel",
        ),
        (
            "x.tsv",
            "Ein Hund\tA dog\nEine Katze\tA cat\n",
            r"x.tsv is from line 1 on a table.*--column 1 to --column 2",
        ),
        ("x.txt", "a.jpg\ta.jpg#2\t1\t1\nb.jpg\tb.jpg#2\t1\t1\n", "names, URLs or numbers"),
    ],
)
def test_a_table_that_is_not_understood_is_refused_with_the_fix(name: str, data: str, message: str) -> None:
    with pytest.raises(NoCaptionsError, match=message):
        _read(data, name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line", ["a" * 1_000_000, "," * 1_000_000, "\t" * 1_000_000, '"' * 999_999, "[" * 100_000]
)
@pytest.mark.parametrize("name", ["x.txt", "x.tsv"])
def test_endless_lines(line: str, name: str) -> None:
    with suppress(UserError):
        assert len(_read(f"{line}\n" * 3, name)) <= 3
