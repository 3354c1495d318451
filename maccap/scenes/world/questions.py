"""Questions about a scene with their short answers, as a person would ask and answer them.

Five types: how many, what, where, which side, is there. An answer is a word of the official VQA form: a digit
for a number, no article before a noun. Two kinds are related in the order in which captions name them.
"""

from typing import Literal, NamedTuple

import numpy as np

from maccap.scenes.world.captions import object_phrase
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.scene import Scene

QuestionType = Literal["how many", "what", "where", "which side", "is there"]
AnswerType = Literal["number", "yes/no", "other"]

_SIDES = {"to the left of": "left", "to the right of": "right", "above": "above", "below": "below"}
_PRESENT = 0.5  # of the questions whether something is there, those about something that is
_COUNTED = 0.8  # of the questions how many, likewise


class SceneQuestion(NamedTuple):
    """A question, its one right answer, and the types by which VQA accuracy is told apart."""

    question: str
    answer: str
    question_type: QuestionType
    answer_type: AnswerType


def scene_questions(scene: Scene, rng: np.random.Generator) -> list[SceneQuestion]:
    """One question of each type that the scene has an answer to, in random order: three, four or five."""
    questions = [_how_many(scene, rng), _where(scene, rng), _is_there(scene, rng)]
    kinds = list(scene.counts())
    if len(kinds) == 1:
        questions.append(_of_one_kind(scene, kinds[0], rng))
    if len(kinds) == 2:
        questions.append(_beside(scene, kinds, rng))
        if relation := scene.relation(kinds[0], kinds[1]):
            questions.append(_which_side(scene, kinds, relation))
    return [questions[place] for place in rng.permutation(len(questions))]


def _how_many(scene: Scene, rng: np.random.Generator) -> SceneQuestion:
    noun = _some_noun(scene, rng, _COUNTED)
    count = scene.counts().get(noun, 0)
    return SceneQuestion(f"How many {NOUNS[noun].plural} are there?", str(count), "how many", "number")


def _where(scene: Scene, rng: np.random.Generator) -> SceneQuestion:
    noun = int(rng.choice(list(scene.counts())))
    asked = "Where is this?" if rng.random() < 0.5 else f"Where {_be(scene, noun)} {_the(scene, noun)}?"
    return SceneQuestion(asked, BACKGROUNDS[scene.background].name, "where", "other")


def _is_there(scene: Scene, rng: np.random.Generator) -> SceneQuestion:
    noun = _some_noun(scene, rng, _PRESENT)
    several = rng.random() < 0.5
    asked = f"Are there any {NOUNS[noun].plural}?" if several else f"Is there {object_phrase(noun, 1)}?"
    return SceneQuestion(asked, "yes" if noun in scene.counts() else "no", "is there", "yes/no")


def _of_one_kind(scene: Scene, noun: int, rng: np.random.Generator) -> SceneQuestion:
    asked = "What is this?" if rng.random() < 0.5 else "What is in the image?"
    return SceneQuestion(asked, _name(scene, noun), "what", "other")


def _beside(scene: Scene, kinds: list[int], rng: np.random.Generator) -> SceneQuestion:
    related = scene.relation(kinds[0], kinds[1])
    if related and rng.random() < 0.5:
        asked = f"What is {related} {_the(scene, kinds[1])}?"
        return SceneQuestion(asked, _name(scene, kinds[0]), "what", "other")
    wanted, other = kinds if rng.random() < 0.5 else kinds[::-1]
    asked = f"What is next to {_the(scene, other)}?"
    return SceneQuestion(asked, _name(scene, wanted), "what", "other")


def _which_side(scene: Scene, kinds: list[int], relation: str) -> SceneQuestion:
    first, second = kinds
    asked = f"On which side of {_the(scene, second)} {_be(scene, first)} {_the(scene, first)}?"
    return SceneQuestion(asked, _SIDES[relation], "which side", "other")


def _some_noun(scene: Scene, rng: np.random.Generator, present: float) -> int:
    there = list(scene.counts())
    if rng.random() < present:
        return int(rng.choice(there))
    return int(rng.choice([noun for noun in range(len(NOUNS)) if noun not in there]))


def _name(scene: Scene, noun: int) -> str:
    return NOUNS[noun].singular if scene.counts()[noun] == 1 else NOUNS[noun].plural


def _the(scene: Scene, noun: int) -> str:
    return f"the {_name(scene, noun)}"


def _be(scene: Scene, noun: int) -> str:
    return "is" if scene.counts()[noun] == 1 else "are"
