"""The words of the synthetic scenes: fifty everyday objects and eight places.

The order of `NOUNS` is the order people would name things in (the living before vehicles before
things), and captions follow it most of the time.
"""

from typing import NamedTuple


class Noun(NamedTuple):
    singular: str
    plural: str
    emoji: str


class Background(NamedTuple):
    name: str
    phrases: tuple[str, ...]


def _noun(singular: str, emoji: str, plural: str | None = None) -> Noun:
    return Noun(singular, plural or singular + "s", emoji)


NOUNS: tuple[Noun, ...] = (
    _noun("dog", "\U0001f415"),
    _noun("cat", "\U0001f408"),
    _noun("horse", "\U0001f40e"),
    _noun("cow", "\U0001f404"),
    _noun("pig", "\U0001f416"),
    _noun("elephant", "\U0001f418"),
    _noun("lion", "\U0001f981"),
    _noun("panda", "\U0001f43c"),
    _noun("rabbit", "\U0001f407"),
    _noun("duck", "\U0001f986"),
    _noun("owl", "\U0001f989"),
    _noun("penguin", "\U0001f427"),
    _noun("turtle", "\U0001f422"),
    _noun("frog", "\U0001f438"),
    _noun("snake", "\U0001f40d"),
    _noun("crab", "\U0001f980"),
    _noun("fish", "\U0001f420", "fish"),
    _noun("butterfly", "\U0001f98b", "butterflies"),
    _noun("bee", "\U0001f41d"),
    _noun("robot", "\U0001f916"),
    _noun("car", "\U0001f697"),
    _noun("bus", "\U0001f68c", "buses"),
    _noun("tractor", "\U0001f69c"),
    _noun("bicycle", "\U0001f6b2"),
    _noun("boat", "\u26f5"),
    _noun("rocket", "\U0001f680"),
    _noun("balloon", "\U0001f388"),
    _noun("house", "\U0001f3e0"),
    _noun("tent", "\u26fa"),
    _noun("sunflower", "\U0001f33b"),
    _noun("cactus", "\U0001f335", "cactuses"),
    _noun("mushroom", "\U0001f344"),
    _noun("apple", "\U0001f34e"),
    _noun("banana", "\U0001f34c"),
    _noun("strawberry", "\U0001f353", "strawberries"),
    _noun("watermelon", "\U0001f349"),
    _noun("carrot", "\U0001f955"),
    _noun("pizza", "\U0001f355"),
    _noun("burger", "\U0001f354"),
    _noun("cake", "\U0001f382"),
    _noun("ball", "\u26bd"),
    _noun("guitar", "\U0001f3b8"),
    _noun("drum", "\U0001f941"),
    _noun("book", "\U0001f4d5"),
    _noun("clock", "\u23f0"),
    _noun("key", "\U0001f511"),
    _noun("hat", "\U0001f3a9"),
    _noun("shoe", "\U0001f45f"),
    _noun("crown", "\U0001f451"),
    _noun("gift", "\U0001f381"),
)

BACKGROUNDS: tuple[Background, ...] = (
    Background("beach", ("on the beach", "at the beach", "on a sandy beach")),
    Background("desert", ("in the desert", "in a hot desert", "in front of sand dunes")),
    Background("snow", ("in the snow", "on the snow", "in a snowy landscape")),
    Background("meadow", ("in a meadow", "in a green meadow", "on the grass")),
    Background("night", ("at night", "under the night sky", "under the stars")),
    Background("street", ("on a city street", "in the street", "in the city")),
    Background("forest", ("in the forest", "in a dark forest", "in the woods")),
    Background("room", ("in a room", "on a wooden floor", "by a window")),
)

RELATIONS: tuple[str, ...] = ("to the left of", "to the right of", "above", "below")
OPPOSITE: dict[str, str] = dict(zip(RELATIONS, (*RELATIONS[1::-1], *RELATIONS[:1:-1]), strict=True))

NUMBERS: tuple[str, ...] = ("zero", "one", "two", "three")


def with_article(noun: Noun) -> str:
    """Return `a dog`, `an owl`."""
    return ("an " if noun.singular[0] in "aeiou" else "a ") + noun.singular
