"""The ways to train on text alone and to read an image that an ablation compares."""

from typing import Literal, NamedTuple

from maccap.config import DecodingConfig
from maccap.scenes.training.build import DECODING, Recipe

Spread = Literal["isotropic", "pairs", "paraphrases"]
"""How noise varies: in every direction the same, or as images and captions, or captions of one image, do."""

SHARED = 0.9  # of noise that an image's regions have nearly in common
_SAMPLED = DECODING.model_copy(update={"strategy": "sample", "temperature": 0.7})


class Training(NamedTuple):
    """What decides an adaptor, but for its seed and steps."""

    noise_variance: float
    noise_shared: float | None
    copies: int  # of the text feature
    text: Literal["repeat", "phrases"] = "repeat"
    spread: Spread = "isotropic"


class Method(NamedTuple):
    """One way. Those of equal `training` share an adaptor."""

    name: str
    training: Training
    weighting: Literal["none", "softmax", "attention"] = "attention"
    noisy_images: bool = True
    memory: bool = False  # DeCap's
    decoding: DecodingConfig = DECODING


def compared(recipe: Recipe) -> list[Method]:
    """MacCap as in the paper and as the recipe has it, parts of it changed or left out, CapDec and DeCap."""
    noise, shared, copies = recipe.noise_variance, recipe.noise_shared or SHARED, recipe.regions.count
    paper, ours = Training(noise, None, copies), Training(noise, shared, copies)
    silent = Training(0.0, None, copies)
    return [
        Method("MacCap as in the paper, regions by attention", paper),
        Method("MacCap as in the paper, regions by softmax", paper, "softmax"),
        Method("noise shared by regions (by attention)", ours),
        Method("noise shared, trained with phrases", ours._replace(text="phrases")),
        Method("noise shared, global feature only", ours, "none"),
        Method("noise shared, candidates sampled at temperature 0.7", ours, decoding=_SAMPLED),
        Method("without noise", silent),
        Method("CapDec (one noisy feature, none of images)", Training(noise, None, 1), "none", False),
        Method("DeCap (projection onto a memory of captions)", silent, "none", memory=True),
    ]


def noises(recipe: Recipe) -> list[Method]:
    """MacCap with less and more noise, of each region (the paper's) or nearly the same for all, and with
    noise that varies as was measured.
    """
    noise, copies = recipe.noise_variance, recipe.regions.count
    methods = [Method("no noise", Training(0.0, None, copies))]
    for shared, said in ((None, "each region's"), (SHARED, f"{SHARED:.0%} shared")):
        for variance in (noise, 3 * noise):
            training = Training(variance, shared, copies)
            methods.append(Method(f"variance {variance:g}, {said}", training))
    for spread in ("pairs", "paraphrases"):
        training = Training(noise, SHARED, copies, spread=spread)
        methods.append(Method(f"variance {noise:g}, {SHARED:.0%} shared, covariance of {spread}", training))
    return methods
