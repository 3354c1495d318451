"""The CLIP that scores a run's captions, and whether it is the one that chose them."""

from pathlib import Path
from typing import TYPE_CHECKING

from maccap.bundle import Bundle
from maccap.config import ClipSource
from maccap.fingerprint import fingerprint
from maccap.image.preprocessing import load_pixel_spec, local_folder
from pipeline.run.run_folder import existing_run
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

if TYPE_CHECKING:
    from maccap.image.clip import FrozenClip

_WEIGHTS = "*.safetensors"


def check_clip(source: ClipSource) -> None:
    """Before anything is computed. Raises UserError where there is no such CLIP."""
    try:
        load_pixel_spec(source.name, source.pretrained)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"--clip {source.name} cannot be used: {describe(error)}") from None
    if local_folder(source.name) is None and source.pretrained is None and ":" not in source.name:
        raise UserError(f"--clip {source.name} needs its weights named too: add --clip-pretrained TAG")


def load_clip(run: str, source: ClipSource | None, device: str) -> "FrozenClip":
    """In float32; None names the CLIP of the run's bundle. Raises UserError where it cannot be loaded."""
    from maccap.image.clip import FrozenClip

    chosen = source or reranker_of(run)
    try:
        return FrozenClip.load(chosen.name, chosen.pretrained, device)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise UserError(f"--clip {chosen.name} cannot be loaded: {describe(error)}") from None


def reranker_of(run: str) -> ClipSource:
    """The CLIP of the run's bundle, a folder where the bundle carries it. Raises UserError."""
    model = existing_run(run)[1].model
    try:
        bundle = Bundle.open(model)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"the model of RUN {run}, {model}, cannot be opened: {describe(error)}") from None
    own = bundle.config.clip
    carried = Path(bundle.tower(own.name))
    return ClipSource(name=str(carried)) if carried.is_dir() else own


def is_reranker(run: str, source: ClipSource | None) -> bool:
    """Whether both are one CLIP: of one name and tag, or folders with the same weights. False where the run's
    bundle is gone.
    """
    if source is None:
        return True
    try:
        return _identity(reranker_of(run)) == _identity(source)
    except UserError:
        return False


def _identity(clip: ClipSource) -> str:
    folder = local_folder(clip.name)
    if folder is None:
        # the weights of one tag; the activation that goes with them is in some names only
        return f"{clip.name.replace('/', '-').removesuffix('-quickgelu')} {clip.pretrained}"
    weights = sorted(Path(folder).glob(_WEIGHTS))
    return fingerprint("", {str(number): path for number, path in enumerate(weights)})
