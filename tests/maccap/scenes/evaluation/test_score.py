import pytest

from maccap.scenes.evaluation.score import Scores, cider_d, score
from maccap.scenes.world.facts import SceneFacts, scenes_with_facts

DOG_AND_CATS = SceneFacts(
    objects={"dog": 1, "cat": 2},
    background="beach",
    relations=[("dog", "above", "cat"), ("cat", "below", "dog")],
    unseen_pair=False,
    captions=["a dog above two cats on the beach", "a dog on a sandy beach", "two cats below a dog"],
)
OWL = SceneFacts(
    objects={"owl": 1}, background="night", relations=[], unseen_pair=False, captions=["an owl at night"]
)
RIGHT = "a dog above two cats on the beach"


def _scores(caption: str | None) -> Scores:
    return score([caption, "an owl at night"], [DOG_AND_CATS, OWL])


def test_references_are_right() -> None:
    facts = [facts for _, facts in scenes_with_facts("test", 400, 0)]
    for reference in range(5):
        scores = score([scene.captions[reference] for scene in facts], facts)
        right = (scores.precision, scores.background, scores.count, scores.relation)
        assert right == (1.0, 1.0, 1.0, 1.0)
        assert scores.recall > 0.9
        assert scores.captions == 400


@pytest.mark.parametrize(
    ("caption", "lower"),
    [
        (RIGHT, set()),
        ("a horse above two cats on the beach", {"precision", "recall", "relation"}),
        ("a dog on the beach", {"recall"}),
        ("a dog above two cats in the snow", {"background"}),
        ("a dog above three cats on the beach", {"count"}),
        ("a dog below two cats on the beach", {"relation"}),
        ("a dog above some cats", set()),
    ],
)
def test_each_mistake_lowers_its_own_score(caption: str, lower: set[str]) -> None:
    right, scores = _scores(RIGHT).model_dump(), _scores(caption).model_dump()
    said = {name for name in right.keys() - {"captions", "cider_d"} if scores[name] is not None}
    assert {name for name in said if scores[name] < right[name]} == lower
    assert ("relation" in said) == (" above " in caption or " below " in caption)
    if caption != RIGHT:
        assert scores["cider_d"] < right["cider_d"]


def test_a_missing_caption_costs_recall_and_cider() -> None:
    assert _scores(None).precision == 1.0
    assert _scores(None).recall == pytest.approx(1 / 3)
    assert _scores(None).cider_d < _scores("a dog").cider_d < _scores(RIGHT).cider_d


def test_cider_prefers_the_same_words() -> None:
    references = [["a red car in the street"], ["two dogs at night"], ["a clock by a window"]]
    same = cider_d([texts[0] for texts in references], references)
    near = cider_d(["a red bus in the street", "two cats at night", "a clock by a door"], references)
    other = cider_d(["two dogs at night", "a clock by a window", "a red car in the street"], references)
    assert same == pytest.approx(10.0)
    assert same > near > other


def test_two_scenes_are_needed() -> None:
    with pytest.raises(ValueError, match="two scenes"):
        score(["a dog"], [DOG_AND_CATS])
    with pytest.raises(ValueError, match="1 captions for 2 scenes"):
        score(["a dog"], [DOG_AND_CATS, OWL])


def test_there_is_no_share_of_what_nobody_said() -> None:
    scores = score(["an owl", "a dog"], [OWL, DOG_AND_CATS])
    assert (scores.background, scores.relation) == (None, None)
    _, _, background, count, relation, _ = scores.shown()
    assert (background, count, relation) == ("-", "1.000", "-")
