"""Every question about a scene has one right answer, which the scene's facts tell."""

from collections import Counter

import numpy as np

from maccap.scenes.world.facts import SceneFacts, scenes_with_facts
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.questions import scene_questions
from maccap.scenes.world.scene import sample_scene

_SINGULAR = {word: noun.singular for noun in NOUNS for word in (noun.singular, noun.plural)}
_RELATION = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}


def _named(question: str) -> list[str]:
    words = question.rstrip("?").split()
    return [_SINGULAR[word] for word in words if word in _SINGULAR]


def test_answers_are_true() -> None:
    kinds: Counter[str] = Counter()
    for _, facts in scenes_with_facts("test", 300, 4, asked=True):
        assert 3 <= len(facts.questions) <= 5
        assert len({one.question_id for one in facts.questions}) == len(facts.questions)
        for asked in facts.questions:
            kinds[asked.question_type] += 1
            named, answer = _named(asked.question), asked.answer
            match asked.question_type:
                case "how many":
                    assert int(answer) == facts.objects.get(named[0], 0)
                case "is there":
                    assert answer == ("yes" if named[0] in facts.objects else "no")
                case "where":
                    assert answer == facts.background
                case "which side":
                    other, one = named
                    assert (one, _RELATION[answer], other) in facts.relations
                case "what":
                    assert _SINGULAR[answer] in facts.objects.keys() - set(named)
    assert set(kinds) == {"how many", "is there", "where", "which side", "what"}
    assert min(kinds.values()) > 50


def test_yes_and_no_are_as_frequent() -> None:
    rng = np.random.default_rng(0)
    answers = Counter(
        asked.answer
        for _ in range(600)
        for asked in scene_questions(sample_scene(rng, "train"), rng)
        if asked.question_type == "is there"
    )
    assert 0.4 < answers["yes"] / answers.total() < 0.6


def test_questions_are_told_only_where_they_are_asked_for() -> None:
    plain, asked = (scenes_with_facts("test", 3, 0, asked=asked) for asked in (False, True))
    for (scene, facts), (same, more) in zip(plain, asked, strict=True):
        assert scene == same
        assert "questions" not in facts.to_json()
        assert SceneFacts.model_validate_json(more.to_json()) == more
        assert more.model_copy(update={"questions": []}) == facts
