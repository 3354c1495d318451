"""What patches are asked: their kind with its number, and where it stands."""

import torch
import torch.nn.functional as F

from maccap.scenes.training.dense import CLASSES, Sides, dense_loss
from maccap.scenes.training.scene_clip import PATCH, SIDE
from maccap.scenes.world.lexicon import NOUNS
from maccap.scenes.world.render import patch_labels
from maccap.scenes.world.scene import Placed, Scene

PATCHES = (SIDE // PATCH) ** 2
LEFT_OF_TWO = Scene(
    background=0,
    objects=(
        Placed(3, 0.25, 0.5, 0.4, False),
        Placed(7, 0.75, 0.3, 0.4, False),
        Placed(7, 0.75, 0.7, 0.4, False),
    ),
    detail_seed=0,
)
ALONE = Scene(background=1, objects=(Placed(3, 0.5, 0.5, 0.6, False),), detail_seed=0)


def test_patches_that_name_what_they_show_cost_nothing() -> None:
    names = torch.eye(len(CLASSES))
    shown = patch_labels(LEFT_OF_TWO, SIDE // PATCH)
    background = 3 * len(NOUNS) + LEFT_OF_TWO.background
    wanted = [{3: 3 * 3, 7: 3 * 7 + 1}.get(kind, background) for kind in shown.tolist()]
    right = names[wanted].expand(2, 1, -1, -1)
    assert dense_loss(right, names, [LEFT_OF_TWO]) < 1e-4
    assert dense_loss(right.roll(1, dims=-1), names, [LEFT_OF_TWO]) > 10


def test_each_kind_is_asked_for_its_own_side() -> None:
    torch.manual_seed(0)
    shown = torch.from_numpy(patch_labels(LEFT_OF_TWO, SIDE // PATCH))
    tokens = F.normalize(torch.randn(len(NOUNS) + 8, 16), dim=-1)[shown][None]  # one token a kind
    sides = Sides(16)
    optimizer = torch.optim.Adam(sides.parameters(), lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss, _ = sides.loss(tokens, [LEFT_OF_TWO])
        loss.backward()
        optimizer.step()
    assert sides.loss(tokens, [LEFT_OF_TWO])[1] == 1
    read = sides(tokens[0] * 4).argmax(-1)
    assert set(read[shown == 3].tolist()) == {0}  # to the left of
    assert set(read[shown == 7].tolist()) == {1}  # to the right of


def test_one_kind_alone_has_no_side() -> None:
    loss, right = Sides(16).loss(torch.zeros(1, PATCHES, 16), [ALONE])
    assert loss == 0
    assert right == 0
