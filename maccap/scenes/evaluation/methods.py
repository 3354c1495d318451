"""The ways to train on text alone and to read an image that an ablation compares."""

from typing import Literal, NamedTuple

from maccap.config import DecodingConfig
from maccap.scenes.training.build import DECODING, Recipe

Spread = Literal["isotropic", "pairs", "paraphrases"]
"""How noise varies: in every direction the same, or as images and captions, or captions of one image, do."""

_SAMPLED = DECODING.model_copy(update={"strategy": "sample", "temperature": 0.7})


class Training(NamedTuple):
    """What decides an adaptor, but for its seed and steps."""

    noise_variance: float
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
    """MacCap, MacCap with one part of it changed or left out, CapDec and DeCap."""
    noise, copies = recipe.noise_variance, recipe.regions.count
    ours, phrases = Training(noise, copies), Training(noise, copies, "phrases")
    silent = Training(0.0, copies)
    return [
        Method("MacCap, regions by attention", ours),
        Method("MacCap, regions by softmax", ours, "softmax"),
        Method("regions by attention, trained with phrases", phrases),
        Method("global feature only", ours, "none"),
        Method("regions by attention, without noise", silent),
        Method("regions by attention, candidates sampled at temperature 0.7", ours, decoding=_SAMPLED),
        Method("CapDec (one noisy feature, none of images)", Training(noise, 1), "none", noisy_images=False),
        Method("DeCap (projection onto a memory of captions)", silent, "none", memory=True),
    ]


def noises(recipe: Recipe) -> list[Method]:
    """MacCap with less and more noise, and with noise that varies as was measured."""
    noise, copies = recipe.noise_variance, recipe.regions.count
    methods = [
        Method(f"variance {variance:g}", Training(variance, copies))
        for variance in (0.0, *(factor * noise for factor in (0.3, 1, 3, 10)))
    ]
    for spread in ("pairs", "paraphrases"):
        training = Training(noise, copies, spread=spread)
        methods.append(Method(f"variance {noise:g}, covariance of {spread}", training))
    return methods
