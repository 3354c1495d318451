from maccap.scenes.world.facts import SceneFacts
from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.scene import Placed, Scene, holds_unseen_pair, split_scenes

NOUN = {noun.singular: index for index, noun in enumerate(NOUNS)}


def test_facts_of_a_scene() -> None:
    objects = (
        Placed(NOUN["dog"], 0.25, 0.25, 0.4, False),
        Placed(NOUN["dog"], 0.25, 0.75, 0.4, True),
        Placed(NOUN["cat"], 0.75, 0.5, 0.4, False),
    )
    facts = SceneFacts.of(Scene(2, objects, 0), ["two dogs and a cat"])
    assert facts.objects == {"dog": 2, "cat": 1}
    assert facts.background == BACKGROUNDS[2].name
    assert set(facts.relations) == {("dog", "to the left of", "cat"), ("cat", "to the right of", "dog")}
    assert facts.captions == ["two dogs and a cat"]


def test_facts_survive_their_json_and_know_unseen_pairs() -> None:
    for scene in split_scenes("test", 50, 0):
        facts = SceneFacts.of(scene, ["a caption"])
        assert SceneFacts.model_validate_json(facts.model_dump_json()) == facts
        assert facts.unseen_pair == holds_unseen_pair(scene)
