import pytest

from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS

NOUN = {noun.singular: index for index, noun in enumerate(NOUNS)}
PLACE = {background.name: index for index, background in enumerate(BACKGROUNDS)}


@pytest.mark.parametrize(
    ("caption", "counts", "place", "relation"),
    [
        ("a dog", {"dog": 1}, None, None),
        ("an owl and two cats on the beach", {"owl": 1, "cat": 2}, "beach", None),
        ("some buses with three fish at night", {"bus": None, "fish": 3}, "night", None),
        ("butterflies", {"butterfly": None}, None, None),
        ("a dog to the left of a cat in the snow", {"dog": 1, "cat": 1}, "snow", "to the left of"),
        ("two keys below a hat", {"key": 2, "hat": 1}, None, "below"),
        ("one boat and two boats", {"boat": 1}, None, None),
        ("a catalogue of doghouses in a carpet shop", {}, None, None),
        ("night, two keys, owls", {"key": 2, "owl": None}, "night", None),
        ("a mushroom", {"mushroom": 1}, None, None),  # no room
        ("", {}, None, None),
    ],
)
def test_parse(caption: str, counts: dict[str, int | None], place: str | None, relation: str | None) -> None:
    said = parse(caption)
    assert said.counts == {NOUN[name]: count for name, count in counts.items()}
    assert said.background == (None if place is None else PLACE[place])
    assert said.relation == relation


def test_every_word_of_the_world_is_read_back() -> None:
    for index, noun in enumerate(NOUNS):
        assert parse(f"one {noun.singular}").counts == {index: 1}
        assert parse(f"two {noun.plural}").counts == {index: 2}
    for index, background in enumerate(BACKGROUNDS):
        assert all(parse(f"a dog {phrase}").background == index for phrase in background.phrases)
    for relation in RELATIONS:
        assert parse(f"a dog {relation} a cat").relation == relation
