"""The ways to train on text alone and to read an image that an ablation compares."""

from typing import Literal, NamedTuple

from maccap.config import DecodingConfig, RerankConfig
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
    rerank: RerankConfig = RerankConfig()


def compared(recipe: Recipe) -> list[Method]:
    """MacCap with regions and our noise (the recipe's, nearly the same for all regions) and as in the paper,
    parts of it changed or left out, CapDec and DeCap.
    """
    noise, copies = recipe.noise_variance, recipe.regions.count
    paper, silent, ours = Training(noise, None, copies), _silent(recipe), _ours(recipe)
    shipped = recipe.decoding
    more = f"our noise, {shipped.candidates} candidates"
    if shipped.strategy == "sample":
        more += f" sampled at temperature {shipped.temperature:g}"
    chosen = [
        Method(more, ours, decoding=shipped),
        Method(f"{more}, chosen as shipped", ours, decoding=shipped, rerank=recipe.rerank),
    ]
    return [
        Method("our noise, regions by attention", ours),
        Method("our noise, regions by softmax", ours, "softmax"),
        Method("our noise, global feature only", ours, "none"),
        *(chosen if recipe.rerank != RerankConfig() else ()),
        Method("our noise, candidates sampled at temperature 0.7", ours, decoding=_SAMPLED),
        Method("MacCap as in the paper, regions by attention", paper),
        Method("MacCap as in the paper, regions by softmax", paper, "softmax"),
        Method("without noise", silent),
        Method("CapDec (one noisy feature, none of images)", Training(noise, None, 1), "none", False),
        Method("DeCap (projection onto a memory of captions)", silent, "none", memory=True),
    ]


def other_trainings(recipe: Recipe) -> list[Method]:
    """MacCap with less and more noise, of each region (the paper's) or nearly the same for all, the same in
    every direction or as was measured, and trained with phrases.
    """
    noise, ours = recipe.noise_variance, _ours(recipe)
    methods = [Method("no noise", _silent(recipe))]
    for shared, said in ((None, "each region's"), (SHARED, f"{SHARED:.0%} shared")):
        for variance in (noise, 3 * noise):
            training = ours._replace(noise_variance=variance, noise_shared=shared)
            methods.append(Method(f"variance {variance:g}, {said}", training))
    measured: tuple[Spread, ...] = ("pairs", "paraphrases")
    for spread in measured:
        training = ours._replace(noise_shared=SHARED, spread=spread)
        methods.append(Method(f"variance {noise:g}, {SHARED:.0%} shared, covariance of {spread}", training))
    return [*methods, Method("our noise, trained with phrases", ours._replace(text="phrases"))]


def _ours(recipe: Recipe) -> Training:
    shared = recipe.noise_shared or SHARED
    return Training(recipe.noise_variance, shared, recipe.regions.count)


def _silent(recipe: Recipe) -> Training:
    return Training(0.0, None, recipe.regions.count)
