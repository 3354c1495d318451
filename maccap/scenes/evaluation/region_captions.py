"""Whether a region's caption names what is under its box, in rendered scenes, of which that is known:
`python -m maccap.scenes.evaluation.region_captions`.
"""

import argparse
from typing import NamedTuple

import numpy as np

from maccap.captioner import Captioner
from maccap.image.view import Box
from maccap.scenes.evaluation.mentions import parse
from maccap.scenes.world.facts import scenes_with_facts
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.render import patch_labels, render
from maccap.scenes.world.scene import Scene, Split

_GRID = 24  # cells to a side, of which is known what they show


class RegionAccuracy(NamedTuple):
    """Of captioned regions: how many there are, those with an object under most of the box, and of these the
    fractions whose caption names it, names nothing else, and names another object that the scene has.
    """

    regions: int
    of_objects: int
    names_it: float
    nothing_else: float
    names_another: float


def region_accuracy(
    captioner: Captioner, split: Split, scenes: int, seed: int, regions: int
) -> tuple[RegionAccuracy, RegionAccuracy]:
    """Of up to `regions` of each scene; and, to compare, of the same boxes with the images' captions."""
    drawn = [scene for scene, _ in scenes_with_facts(split, scenes, seed)]
    captions = captioner.caption([render(scene, 192) for scene in drawn], seed=seed, region_captions=regions)
    found = [
        (scene, region.box, region.text, caption.text)
        for scene, caption in zip(drawn, captions, strict=True)
        for region in caption.regions
    ]
    own = _accuracy([(scene, box, text) for scene, box, text, _ in found])
    return own, _accuracy([(scene, box, whole) for scene, box, _, whole in found])


def _accuracy(captioned: list[tuple[Scene, Box, str]]) -> RegionAccuracy:
    named: list[tuple[bool, bool, bool]] = []
    for scene, box, text in captioned:
        noun, mentioned = _most_of(scene, box), parse(text).counts.keys()
        if noun is not None:
            others = mentioned & scene.counts().keys() - {noun}
            named.append((noun in mentioned, mentioned == {noun}, bool(others)))
    fractions = np.mean(named, axis=0).tolist() if named else [0.0] * 3
    return RegionAccuracy(len(captioned), len(named), *fractions)


def _most_of(scene: Scene, box: Box) -> int | None:
    """The object that covers most of a box; None where that is the background."""
    shown = patch_labels(scene, _GRID).reshape(_GRID, _GRID)
    left, top = round(box.left * _GRID), round(box.top * _GRID)
    right, bottom = round((box.left + box.width) * _GRID), round((box.top + box.height) * _GRID)
    most = int(np.bincount(shown[top:bottom, left:right].reshape(-1)).argmax())
    return most if most < len(NOUNS) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="a bundle; by default the built-in one")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--regions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=20_260_101)
    asked = parser.parse_args()
    captioner = Captioner.from_pretrained(asked.model, device="cpu")
    found = region_accuracy(captioner, "test", asked.count, asked.seed, asked.regions)
    print("| caption | regions | of objects | names it | nothing else | another of the scene |")
    print("|---|---|---|---|---|---|")
    for name, accuracy in zip(("the region's", "the image's"), found, strict=True):
        numbers = f"{accuracy.regions:,} | {accuracy.of_objects:,}"
        print(f"| {name} | {numbers} | " + " | ".join(f"{part:.3f}" for part in accuracy[2:]) + " |")


if __name__ == "__main__":
    main()
