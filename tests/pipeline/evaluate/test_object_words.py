"""The objects that captions name: synonyms, plurals, double words, and lists of words from a file."""

from pathlib import Path

import pytest

from pipeline.evaluate.object_words import ObjectWords
from pipeline.storage.errors import UserError

_BUILT_IN = ObjectWords.built_in()


@pytest.mark.parametrize(
    ("caption", "named"),
    [
        ("A man eats a hot dog beside two dogs.", ["person", "hot dog", "dog"]),
        ("A puppy and a dog", ["dog", "dog"]),
        ("Men, women and children with knives", ["person", "person", "person", "knife"]),
        ("buses, benches, puppies and geese", ["bus", "bench", "dog", "bird"]),
        ("A baby elephant and adult zebras", ["elephant", "zebra"]),
        ("A baby in a bow tie", ["person", "tie"]),
        ("a toy bear beside a bear", ["teddy bear", "bear"]),
        ("The seat of the toilet, toilet seats", ["toilet", "toilet"]),
        ("A seat", ["chair"]),
        ("People at a train station on train tracks", ["person"]),
        ("A passenger train", ["train"]),
        ("It is hot. Dog barks", ["dog"]),
        ("a hot-dog stand in a man-made park", ["hot dog"]),
        ("The man's SUV", ["person", "car"]),
        ("a stove top oven", ["oven"]),
        ("a catalogue of carpets", []),
        ("", []),
    ],
)
def test_named(caption: str, named: list[str]) -> None:
    assert _BUILT_IN.named(caption) == named


def test_built_in_names_all_categories_of_coco() -> None:
    assert len(_BUILT_IN.categories) == 80
    assert all(_BUILT_IN.named(category) == [category] for category in _BUILT_IN.categories)
    assert "MacCap" in _BUILT_IN.name


def test_a_list_from_a_file(tmp_path: Path) -> None:
    """In the form of the paper's: a category first, its synonyms behind it, white space as it comes."""
    file = tmp_path / "synonyms.txt"
    file.write_text("dog, puppy,  hound , dog\n\njet, iPhone\nhot dog\ntoilet\n")
    words = ObjectWords.from_file(str(file))
    assert words.categories == ("dog", "jet", "hot dog", "toilet")
    assert words.name == str(file)
    assert words.named("Hounds with an iPhone, a toilet seat and a passenger jet; a passenger train") == [
        *("dog", "jet", "toilet", "jet")
    ]
    assert words.category("Puppy") == "dog"
    assert words.category("cat") is None
    assert words.named_in(["a puppy", "two dogs and a jet"]) == {"dog", "jet"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dog, hound\ncat, hound\n", "`hound` is a word for cat and for dog"),
        ('{"dog": ["puppy"]}', "line 1 is no list of words"),
        ("\n", "has no words"),
        (None, "cannot be read"),
    ],
)
def test_no_list_of_words(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "synonyms.txt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=message):
        ObjectWords.from_file(str(file))


def test_any_vocabulary() -> None:
    words = ObjectWords({"fox": ["vixen"], "tree": []}, "scenes", no_objects=["tree house"])
    assert words.named("Two foxes, a vixen and a baby fox by a tree house among trees") == ["fox"] * 3 + [
        "tree"
    ]
