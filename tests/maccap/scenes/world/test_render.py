import numpy as np
from numpy.typing import NDArray

from maccap.scenes.world.lexicon import BACKGROUNDS, NOUNS
from maccap.scenes.world.render import patch_labels, render
from maccap.scenes.world.scene import Placed, Scene, split_scenes

SIDE = 96


def _pixels(scene: Scene) -> NDArray[np.int16]:
    return np.asarray(render(scene, SIDE)).astype(np.int16)


def test_the_same_scene_is_the_same_image() -> None:
    for scene in split_scenes("test", 20, 0):
        assert np.array_equal(_pixels(scene), _pixels(scene))


def test_every_noun_is_drawn_at_its_place_and_nowhere_else() -> None:
    for noun in range(len(NOUNS)):
        placed = Placed(noun, x=0.25, y=0.7, size=0.4, mirrored=bool(noun % 2))
        background = noun % len(BACKGROUNDS)
        with_it, without = (Scene(background, objects, noun) for objects in ((placed,), ()))
        changed = np.abs(_pixels(with_it) - _pixels(without)).max(axis=-1) > 12
        rows, columns = np.nonzero(changed)
        assert changed.sum() > 150, NOUNS[noun].singular
        assert 0.49 <= rows.min() / SIDE <= rows.max() / SIDE <= 0.91
        assert 0.04 <= columns.min() / SIDE <= columns.max() / SIDE <= 0.46


def test_all_nouns_and_backgrounds_look_different() -> None:
    nouns = [Scene(0, (Placed(noun, 0.5, 0.5, 0.8, False),), 0) for noun in range(len(NOUNS))]
    places = [Scene(place, (), 0) for place in range(len(BACKGROUNDS))]
    for scenes in (nouns, places):
        assert len({render(scene, SIDE).tobytes() for scene in scenes}) == len(scenes)


def test_a_mirrored_object_is_mirrored() -> None:
    left, right = (Scene(0, (Placed(0, 0.5, 0.5, 0.5, mirrored),), 0) for mirrored in (False, True))
    empty = _pixels(Scene(0, (), 0))
    shapes = [np.abs(_pixels(scene) - empty).max(axis=-1) > 12 for scene in (left, right)]
    assert not np.array_equal(*shapes)
    assert (shapes[0][:, ::-1] == shapes[1]).mean() > 0.95


def test_patch_labels_name_what_the_patch_shows() -> None:
    behind = Placed(noun=3, x=0.25, y=0.25, size=0.4, mirrored=False)
    front = Placed(noun=7, x=0.75, y=0.25, size=0.4, mirrored=False)
    labels = patch_labels(Scene(2, (behind, front), 0), 8).reshape(8, 8)
    assert labels[2, 2] == labels[1, 1] == 3
    assert labels[2, 6] == 7
    assert (labels[4:] == len(NOUNS) + 2).all()
    over = patch_labels(Scene(2, (behind, Placed(9, 0.25, 0.25, 0.4, False)), 0), 8).reshape(8, 8)
    assert over[2, 2] == 9
