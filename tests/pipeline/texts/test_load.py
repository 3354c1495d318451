"""Also for caption_set.py and found.py."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts import Reason, TextConfig, load_captions


def _write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def _split_file(path: Path, **captions: list[str]) -> str:
    return _write(
        path, json.dumps([{"split": split, "captions": texts} for split, texts in captions.items()])
    )


def test_what_is_kept_and_what_is_dropped(tmp_path: Path) -> None:
    lines = (
        b"A dog.\n\n  A   dog. \nA cat.\n\xff\xfe cup\nA dog.\n...\nA "
        + b"very " * 100
        + b"long one.\nA cup."
    )
    captions = load_captions([_write(tmp_path / "x.txt", lines)])
    assert captions.texts == ["A dog.", "A cat.", "A cup."]
    assert captions.repeats == [3, 1, 1]
    assert captions.read == 9
    assert {reason: dropped.count for reason, dropped in captions.dropped.items()} == {
        Reason.EMPTY: 1,
        Reason.TOO_LONG: 1,
        Reason.NOT_TEXT: 1,
        Reason.NOT_UTF8: 1,
        Reason.DUPLICATE: 2,
    }
    assert [
        (reason, [(e.file, e.place) for e in dropped.examples])
        for reason, dropped in captions.dropped.items()
        if reason in (Reason.NOT_TEXT, Reason.NOT_UTF8)
    ] == [
        (Reason.NOT_TEXT, [(str(tmp_path / "x.txt"), "line 7")]),
        (Reason.NOT_UTF8, [(str(tmp_path / "x.txt"), "line 5")]),
    ]


def test_every_caption_is_kept_or_accounted_for(tmp_path: Path) -> None:
    draw = random.Random(1)
    words = [
        "a dog",
        " a  dog",
        "a cat",
        "A dog",
        "",
        " ",
        "?!",
        "\x01",
        "x" * 30,
        "e\u0301t\u00e9",
        "\u00e9te\u0301",
    ]
    for trial in range(50):
        lines = [draw.choice(words) for _ in range(draw.randrange(1, 40))] + ["one that stays"]
        halves = lines[: len(lines) // 2], lines[len(lines) // 2 :]
        sources = [
            _write(tmp_path / f"{trial}a.txt", "".join(f"{line}\n" for line in halves[0])),
            _write(tmp_path / f"{trial}b.json", json.dumps(halves[1])),
        ]
        captions = load_captions(sources, TextConfig(max_characters=20))
        dropped = Counter({reason: dropped.count for reason, dropped in captions.dropped.items()})
        assert captions.read == len(lines) == len(captions.texts) + dropped.total()
        assert sum(captions.repeats) == len(captions.texts) + dropped[Reason.DUPLICATE]
        assert len(set(captions.texts)) == len(captions.texts) == len(captions.repeats)
        assert all(len(dropped.examples) == min(3, dropped.count) for dropped in captions.dropped.values())


def test_training_splits_are_read_where_there_are_any(tmp_path: Path) -> None:
    source = _split_file(tmp_path / "x.json", val=["v"], train=["t", "u"], restval=["r"], test=["e"])
    captions = load_captions([source])
    assert (captions.texts, captions.splits) == (["t", "u", "r"], ["train", "restval"])
    assert captions.dropped[Reason.OTHER_SPLIT].count == 2


def test_a_training_split_in_one_file_leaves_out_the_others_splits(tmp_path: Path) -> None:
    _split_file(tmp_path / "a" / "test.json", test=["e"])
    _split_file(tmp_path / "a" / "train.json", train=["t"])
    _write(tmp_path / "a" / "unsplit.txt", "always read")
    assert load_captions([str(tmp_path / "a")]).texts == ["t", "always read"]


def test_without_a_training_split_all_are_read(tmp_path: Path) -> None:
    captions = load_captions([_split_file(tmp_path / "x.json", val=["v"], test=["e", "v"])])
    assert (captions.texts, captions.repeats, captions.splits) == (["v", "e"], [2, 1], ["val", "test"])


def test_named_splits(tmp_path: Path) -> None:
    source = _split_file(tmp_path / "x.json", val=["v"], train=["t"], test=["e"])
    assert load_captions([source], TextConfig(splits=("test", "val"))).texts == ["v", "e"]
    with pytest.raises(UserError, match="no caption is of split dev: the splits there are val, train, test"):
        load_captions([source], TextConfig(splits=("dev", "val")))
    with pytest.raises(UserError, match="no caption is of split val: no file names splits"):
        load_captions([_write(tmp_path / "x.txt", "A dog.")], TextConfig(splits=("val",)))


def test_the_fingerprint_is_that_of_the_distinct_texts_in_order(tmp_path: Path) -> None:
    def fingerprint(text: str) -> str:
        return load_captions([_write(tmp_path / "x.txt", text)]).fingerprint

    assert fingerprint("A dog.\nA cat.") == fingerprint(" A dog. \n\nA cat.\nA dog.\n")
    assert fingerprint("A dog.\nA cat.") != fingerprint("A cat.\nA dog.")
    assert fingerprint("A dog.\nA cat.") != fingerprint("A dog. A cat.")


def test_the_summary_is_for_people(tmp_path: Path) -> None:
    source = _write(tmp_path / "x.txt", b"A dog.\n" * 2000 + b"\n\xff\n")
    assert list(load_captions([source]).summary()) == [
        "2,002 captions read from 1 file; 1 distinct kept, 2,001 dropped:",
        "  1 empty, like x.txt line 2001",
        "  1 not UTF-8 (if it is most of a file, save that as UTF-8), like x.txt line 2002 '\\udcff'",
        "  1,999 duplicates, like x.txt line 2 'A dog.'; x.txt line 3 'A dog.'; x.txt line 4 'A dog.'",
    ]


@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv", "x.json", "x.txt.gz"])
def test_an_empty_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"there is no caption in .*{name}"):
        load_captions([_write(tmp_path / name, "")])


@pytest.mark.parametrize("name", ["x.parquet", "x.tar"])
def test_an_empty_file_of_a_format_that_cannot_be_empty(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} cannot be read"):
        load_captions([_write(tmp_path / name, "")])


def test_an_empty_file_among_others_is_told(tmp_path: Path) -> None:
    sources = [_write(tmp_path / "a.txt", "A dog."), _write(tmp_path / "b.txt", "")]
    captions = load_captions(sources)
    assert (captions.texts, captions.sources, captions.without_captions) == (["A dog."], sources, sources[1:])
    assert list(captions.summary()) == [
        "1 caption read from 2 files; 1 distinct kept, 0 dropped",
        f"  1 of the files without captions, like {sources[1]}",
    ]


def test_nothing_left_says_why(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_captions([_write(tmp_path / "x.txt", b"\n\n\xff\n")])
    assert "x.txt can be used: 2 empty; 1 not UTF-8 (" in str(error.value)
    assert str(error.value).endswith("The first is x.txt line 1.")
    assert "\n" not in str(error.value)


def test_importing_it_is_cheap() -> None:
    code = "import sys, pipeline.texts; print({'torch', 'ray', 'webdataset'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
