"""MacCap: zero-shot image captioning trained on text alone (AAAI 2024, arXiv 2401.02347).

The method, in the order of the paper, one file a step:

    as_seen.py     an image as a person sees it: upright, opaque, 8 bits; without torch
    pixels.py      the pixels a CLIP expects, without torch
    clip.py        frozen CLIP: global feature, projected tokens, last-block attention, text feature
    regions.py     salient tokens and their sub-region features; features.py: pixels to both
    noise.py       region noise that bridges text features (training) and image features (inference)
    adaptor.py     learned queries that turn noisy features into a language-model prefix
    loss.py        what the adaptor learns from: the caption's tokens after the prefix
    language_model.py, decoding.py, sampling.py   the frozen language model; greedy, beam, sampled decoding
    sampler.py     several candidates an image, keyed by image and candidate (keyed_random.py)
    rerank.py      the candidate closest to the image in CLIP space wins
    captioner.py   all of it together
    bundle.py      a trained captioner as a folder

Importing this package imports neither Ray nor torch; `maccap.Captioner` loads torch when first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maccap.captioner import Caption, Captioner

__version__ = "0.1.0"

__all__ = ["Caption", "Captioner"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from maccap import captioner

        return getattr(captioner, name)
    raise AttributeError(f"module 'maccap' has no attribute {name!r}")
