"""Which objects a caption names: the categories of a vocabulary, each with its synonyms.

The rules are those of CHAIR (Rohrbach et al. 2018, section 3.1; LisaAnne/Hallucination, utils/chair.py at
commit 6e4d33c), but for plurals: the reference makes each word of a caption singular with `pattern`; here a
word is also found in its plural, as the rules below form it. Words joined by a hyphen are one, so that
`man-made` names no man.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from pipeline.storage.errors import UserError
from pipeline.storage.files import locate, read_file
from pipeline.storage.redact import describe, printable, shown

_TOKEN = re.compile(r"\w+(?:-\w+)*|[^\w\s]")  # a punctuation mark ends a phrase
_WORDS = re.compile(r"\w[\w' -]*")
_PLURALS = {
    **{"man": "men", "child": "children", "person": "people"},
    **{"mouse": "mice", "goose": "geese", "ox": "oxen"},
}

_ANIMALS = (
    *("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "animal", "cub"),
)
_SAME_AS = {
    "bow tie": "tie",
    "toilet seat": "toilet",
    **{f"{age} {animal}": animal for animal in _ANIMALS for age in ("baby", "adult")},
    **{f"passenger {vehicle}": vehicle for vehicle in ("jet", "train")},
}
"""Phrases that name what one of their words names, and not what the other does."""
_NO_OBJECTS = ("home plate", "train track")


class ObjectWords:
    """The words for each category. `name` tells which list they are, beside every number."""

    def __init__(
        self, synonyms: Mapping[str, Iterable[str]], name: str, no_objects: Sequence[str] = ()
    ) -> None:
        """`no_objects` are phrases with a word of the list that name none of its categories, as `bus stop`.
        Raises UserError for a word of two categories.
        """
        self.name = name
        self.categories = tuple(synonyms)
        self._phrases: dict[str, str | None] = {}
        for category, words in synonyms.items():
            for phrase in map(_normal, (category, *words)):
                if self._phrases.setdefault(phrase, category) != category:
                    raise UserError(
                        f"{name}: `{printable(phrase)}` is a word for {printable(category)} and for "
                        f"{printable(str(self._phrases[phrase]))}. Leave it with one of them."
                    )
        for phrase, word in _SAME_AS.items():
            self._phrases.setdefault(phrase, self._phrases.get(word))
        for phrase in (*_NO_OBJECTS, *no_objects):
            self._phrases.setdefault(phrase, None)
        for phrase, meant in list(self._phrases.items()):
            for plural in _plurals(phrase):
                self._phrases.setdefault(plural, meant)
        self._longest = max(phrase.count(" ") + 1 for phrase in self._phrases)

    @classmethod
    def from_file(cls, url: str) -> Self:
        """A list with one category a line, its synonyms behind it, commas between them: the form of
        `data/synonyms.txt` in the CHAIR repository. Raises UserError where it cannot be read or is none.
        """
        name = shown(url)
        try:
            lines = read_file(*locate(url)).decode("utf-8-sig").splitlines()
        except Exception as error:  # far storages have no common class of errors
            raise UserError(f"{name} cannot be read as a list of synonyms: {describe(error)}") from error
        synonyms = dict(_parsed(lines, name))
        if not synonyms:
            raise UserError(f"{name} has no words. Write one category a line: `dog, puppy, hound`.")
        return cls(synonyms, name)

    @classmethod
    def built_in(cls) -> Self:
        """COCO's 80 categories with everyday words for them: not the paper's list, so that its scores do not
        compare with published ones. As there, `orange` is always the fruit.
        """
        return cls(
            dict(_parsed(_COCO.splitlines(), "COCO")), "MacCap's words for COCO's categories", _NOT_IN_COCO
        )

    def category(self, name: str) -> str | None:
        """The category that a name or synonym stands for."""
        return self._phrases.get(_normal(name))

    def named(self, caption: str) -> list[str]:
        """The categories of all objects that the caption names, in its order; one that is named twice is
        there twice. Of overlapping phrases the first and longest counts: a hot dog is no dog.
        """
        found = list(self._found(caption))
        on_toilet = any(phrase.startswith("toilet") for phrase, _ in found)  # its seat is no chair
        return [category for phrase, category in found if not (on_toilet and phrase in ("seat", "seats"))]

    def named_in(self, captions: Iterable[str]) -> frozenset[str]:
        """The categories that any of the captions names."""
        return frozenset(category for caption in captions for category in self.named(caption))

    def _found(self, caption: str) -> Iterator[tuple[str, str]]:
        tokens = [token.replace("-", " ") for token in _TOKEN.findall(caption.lower())]
        at = 0
        while at < len(tokens):
            for size in range(self._longest, 0, -1):
                phrase = " ".join(tokens[at : at + size])
                if phrase in self._phrases:
                    break
            if (category := self._phrases.get(phrase)) is not None:
                yield phrase, category
            at += size


def _normal(phrase: str) -> str:
    return " ".join(phrase.lower().replace("-", " ").split())


def _plurals(phrase: str) -> Iterator[str]:
    """All that the plural may be by its ending; forms that are no words do no harm."""
    for ending, plural in _PLURALS.items():
        if phrase.endswith(ending):
            yield phrase.removesuffix(ending) + plural
    if phrase.endswith("y"):
        yield f"{phrase[:-1]}ies"
    if phrase.endswith(("f", "fe")):
        yield f"{phrase.removesuffix('e')[:-1]}ves"
    if phrase.endswith(("s", "x", "z", "ch", "sh", "o")):
        yield f"{phrase}es"
    if not phrase.endswith("s"):
        yield f"{phrase}s"


def _parsed(lines: Iterable[str], name: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(lines, 1):
        category, *synonyms = [word for cell in line.split(",") if (word := cell.strip())] or [""]
        wrong = next((word for word in (category, *synonyms) if word and not _WORDS.fullmatch(word)), None)
        if wrong is not None:
            raise UserError(
                f"{name}: line {number:,} is no list of words: {printable(wrong[:40])!r}. Write one category "
                "a line, its synonyms behind it, with commas between: `dog, puppy, hound`."
            )
        if category:
            yield category, synonyms


_COCO = """\
person, people, man, woman, boy, girl, child, kid, baby, toddler, guy, lady, gentleman, teenager, player, \
    batter, catcher, skier, snowboarder, skateboarder, skater, surfer, rider, cyclist, bicyclist, \
    motorcyclist, biker, driver, passenger, pedestrian, worker, chef, policeman, officer, \
    soldier, fireman, cowboy, bride, groom
bicycle, bike, tricycle
car, automobile, sedan, van, minivan, taxi, taxi cab, cab, suv, jeep, limousine
motorcycle, motorbike, motor bike, motor cycle, dirt bike, scooter, motor scooter, moped
airplane, aeroplane, air plane, plane, aircraft, jet, jet plane, jetliner, airliner, biplane, seaplane
bus, school bus, minibus
train, subway train, locomotive
truck, pickup, pickup truck, truck bed, fire truck, firetruck, lorry
boat, ship, sailboat, sail boat, canoe, kayak, yacht, ferry, rowboat, motorboat, speedboat, gondola
traffic light, traffic signal, street light, streetlight, stop light, stoplight
fire hydrant, hydrant
stop sign
parking meter
bench
bird, duck, goose, swan, pigeon, seagull, gull, parrot, owl, eagle, hawk, rooster, hen, penguin, pelican, \
    flamingo, peacock, crow, sparrow, heron, ostrich
cat, kitten, kitty
dog, puppy, pup, sheep dog, sheepdog, poodle, terrier, bulldog, labrador, retriever, husky
horse, pony, foal, colt, mare, stallion
sheep, lamb, ram, ewe
cow, cattle, bull, calf, ox
elephant
bear, bear cub, polar bear, panda, panda bear
zebra
giraffe
backpack, back pack, knapsack, rucksack
umbrella, parasol
handbag, hand bag, purse
tie, necktie, bowtie
suitcase, suit case, luggage
frisbee
skis, ski
snowboard, snow board
sports ball, ball, tennis ball, soccer ball
kite
baseball bat
baseball glove, baseball mitt
skateboard, skate board
surfboard, surf board
tennis racket, tennis racquet, racket, racquet
bottle
wine glass, wineglass
cup, mug
fork
knife
spoon
bowl
banana
apple
sandwich, burger, hamburger, cheeseburger
orange
broccoli
carrot
hot dog, hotdog
pizza
donut, doughnut
cake, carrot cake, cupcake, cheesecake
chair, armchair, stool, seat
couch, sofa, loveseat
potted plant, houseplant, house plant
bed
dining table, table, desk
toilet, toilet bowl, urinal
tv, television, tv set, television set, monitor, computer monitor
laptop, laptop computer, notebook computer
mouse, computer mouse
remote, remote control
keyboard, computer keyboard
cell phone, cellphone, mobile phone, smartphone, phone, telephone
microwave, microwave oven
oven, stove, stovetop, stove top, stove top oven
toaster, toaster oven
sink
refrigerator, fridge, freezer
book
clock
vase
scissors
teddy bear, teddy, stuffed bear, toy bear
hair drier, hair dryer, hairdryer, blow dryer
toothbrush, tooth brush
"""
_NOT_IN_COCO = (
    *(
        "ball cap",
        "ball field",
        "ball game",
        "bird bath",
        "bird house",
        "book case",
        "book shelf",
        "bus station",
    ),
    *(
        "bus stop",
        "car seat",
        "cd player",
        "dog bed",
        "dog house",
        "dvd player",
        "flower bed",
        "record player",
    ),
    *("remote area", "ski lift", "ski pole", "ski resort", "ski slope", "table cloth", "train station"),
)
