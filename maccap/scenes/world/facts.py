"""What is true of a scene, as its sample's json member carries it, and what captions are scored against."""

from collections.abc import Sequence
from itertools import permutations
from typing import Literal, Self

import numpy as np
from pydantic import Field

from maccap.config import Config
from maccap.scenes.world.captions import partial_caption, scene_captions, tags
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS, RELATIONS
from maccap.scenes.world.questions import AnswerType, QuestionType, scene_questions
from maccap.scenes.world.scene import SPLITS, Scene, Split, holds_unseen_pair, split_scenes

Wording = Literal["sentences", "tags"]
# no training stream starts with them
_CAPTION_STREAM, _TAG_STREAM, _QUESTION_STREAM, _PARTIAL_STREAM = 12, 13, 14, 15
_PARTIAL = 2  # captions of a part


class FactualQuestion(Config):
    """A question about a scene, with its answer, in the words of VQA's annotations."""

    question_id: str
    question: str
    answer: str
    question_type: QuestionType
    answer_type: AnswerType


class SceneFacts(Config):
    """Objects by name with their counts, the background, every relation that holds, and five references; in
    archives that ask for them, questions, and captions of a part of what is there, where there are parts.
    """

    objects: dict[str, int]
    background: str
    relations: list[tuple[str, str, str]]
    unseen_pair: bool
    captions: list[str]
    questions: list[FactualQuestion] = Field(default_factory=list)
    partial_captions: list[str] = Field(default_factory=list)

    @classmethod
    def of(cls, scene: Scene, captions: list[str], questions: Sequence[FactualQuestion] = ()) -> Self:
        return cls(
            objects={NOUNS[noun].singular: count for noun, count in scene.counts().items()},
            background=BACKGROUNDS[scene.background].name,
            relations=[
                (NOUNS[a].singular, relation, NOUNS[b].singular)
                for a, b in permutations(scene.counts(), 2)
                for relation in RELATIONS
                if scene.gap(a, relation, b) > 0
            ],
            unseen_pair=holds_unseen_pair(scene),
            captions=captions,
            questions=list(questions),
        )

    def to_json(self) -> str:
        """As a sample's member."""
        return json_as_asked(self)


def json_as_asked(config: Config) -> str:
    """Of facts or an archive, without the parts that it was not asked to have."""
    optional = ("questions", "partial_captions")
    return config.model_dump_json(exclude={name for name in optional if not getattr(config, name)})


def scenes_with_facts(
    split: Split, count: int, seed: int, asked: bool = False, partly: bool = False
) -> list[tuple[Scene, SceneFacts]]:
    """`count` scenes of a split, each with what is true of it and five captions; `asked`, with questions;
    `partly`, with captions of a part.
    """
    scenes = []
    for index, scene in enumerate(split_scenes(split, count, seed)):
        captions = scene_captions(scene, _numbers(_CAPTION_STREAM, split, seed, index))
        questions = scene_questions(scene, _numbers(_QUESTION_STREAM, split, seed, index)) if asked else []
        factual = [
            FactualQuestion(question_id=f"{index:06d}-{place}", **question._asdict())
            for place, question in enumerate(questions)
        ]
        facts = SceneFacts.of(scene, captions, factual)
        if partly and len(facts.objects) > 1:
            numbers = _numbers(_PARTIAL_STREAM, split, seed, index)
            parts = [partial_caption(scene, numbers) for _ in range(_PARTIAL)]
            facts = facts.model_copy(update={"partial_captions": parts})
        scenes.append((scene, facts))
    return scenes


def split_captions(split: Split, scenes: int, seed: int, wording: Wording = "sentences") -> list[str]:
    """Five captions each of `scenes` scenes; those of the training split are what an adaptor learns from."""
    captions = []
    for index, (_, facts) in enumerate(scenes_with_facts(split, scenes, seed)):
        numbers = _numbers(_TAG_STREAM, split, seed, index)
        captions += [tags(text, numbers) if wording == "tags" else text for text in facts.captions]
    return captions


def _numbers(stream: int, split: Split, seed: int, index: int) -> np.random.Generator:
    """Of its own for each scene, so that its texts do not depend on how many scenes are drawn."""
    return np.random.default_rng([stream, SPLITS.index(split), seed, index])
