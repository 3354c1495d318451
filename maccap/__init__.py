"""MacCap: zero-shot image captioning trained on text alone (AAAI 2024, arXiv 2401.02347).

The method, in the order of the paper, one file per step:

    image/      an image as a person sees it, the frozen CLIP, salient regions, features
    text/       the frozen language model: prefix in, texts out, greedy, sampled or by beams
    adaptor/    region noise, the adaptor from noisy features to a prefix, and its training on text alone
    sampler.py  several candidates per image, keyed by image and candidate (keyed_random.py)
    rerank.py   the candidate closest to the image in CLIP space wins, unless the bundle says otherwise
    captioner.py  all of it together (captions.py is what it returns)
    answerer.py  questions about an image, answered zero-shot; region_captions.py: captions of its regions
    bundle.py   a trained captioner as a folder, opened (config.py, bundle_files.py, tower_config.py);
                bundle_writing.py writes it, bundle_cache.py fetches it from a URL, fingerprint.py tells it
                from others
    runtime/    batch sizes, packed layers, memory: in float32 on a CPU nothing there changes a result
    run_table.py  the caption table of a run, read
    scenes/     synthetic scenes, and the training and evaluation of the built-in model on them

Importing this package imports neither Ray nor torch; `maccap.Captioner` loads torch when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maccap.captioner import Captioner
    from maccap.captions import Caption, Captions
    from maccap.run_table import read_table

__version__ = "0.11.0"

__all__ = ["Caption", "Captioner", "Captions", "read_table"]

_MODULES = {
    "Caption": "maccap.captions",
    "Captioner": "maccap.captioner",
    "Captions": "maccap.captions",
    "read_table": "maccap.run_table",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'maccap' has no attribute {name!r}")
