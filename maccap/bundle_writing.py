"""Writing a bundle: of a trained adaptor, and of another bundle with a correction of the gap."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec

from maccap.bundle import Bundle, shipped_name
from maccap.bundle_files import ADAPTOR, CLIP, CONFIG, GAP, LLM, MEMORY, NOISE, TEXTS
from maccap.config import BundleConfig, ClipSource, GapConfig, LanguageModelSource
from maccap.image.preprocessing import LOCAL_PREFIX

if TYPE_CHECKING:
    import torch

    from maccap.adaptor.adaptor import Adaptor
    from maccap.adaptor.gap import GapCorrection, Statistics
    from maccap.image.clip import FrozenClip
    from maccap.text.language_model import FrozenLanguageModel


def write_bundle(
    url: str | Path,
    config: BundleConfig,
    clip: "FrozenClip | None",
    lm: "FrozenLanguageModel | None",
    adaptor: "Adaptor",
    *,
    memory: "torch.Tensor | None" = None,
    gap: "GapCorrection | None" = None,
    noise_root: "torch.Tensor | None" = None,
    texts: "Statistics | None" = None,
    half: bool = False,
) -> None:
    """Write a bundle to a folder or fsspec URL, over an older one there; `config.json` is written last.

    A frozen model that is given is written too and `config` made to name the copy; where it is None the
    config's name stays, and whoever opens the bundle must have that model. `half` stores all weights as
    float16. `memory` [M, D] goes with a `config.memory`, `gap` with a `config.gap`, `noise_root` [D, D] with
    a `config.noise_covariance`; raises ValueError for one without the other. `texts` are the statistics of
    what the adaptor read, for a correction later.
    """
    from safetensors.torch import save_file

    if (memory is None) != (config.memory is None):
        raise ValueError("a memory of text features and config.memory go together")
    if (gap is None) != (config.gap is None):
        raise ValueError("a correction of the gap and config.gap go together")
    if (noise_root is None) != (config.noise_covariance is None):
        raise ValueError("a root of the noise and config.noise_covariance go together")
    with tempfile.TemporaryDirectory() as staging:
        root = Path(staging)
        if clip is not None:
            clip.save(root / CLIP, half=half)
            config = config.model_copy(update={"clip": ClipSource(name=CLIP)})
        if lm is not None:
            lm.save(root / LLM, half=half)
            config = config.model_copy(update={"llm": LanguageModelSource(name=LLM)})
        weights = {
            key: (value.half() if half else value).detach().cpu().contiguous()
            for key, value in adaptor.state_dict().items()
        }
        save_file(weights, root / ADAPTOR)
        if memory is not None:
            save_file({"features": memory.half().cpu().contiguous()}, root / MEMORY)
        if texts is not None:
            measured = texts._asdict().items()
            save_file({name: part for name, part in measured if part is not None}, root / TEXTS)
        if gap is not None:
            _save_gap(root, gap)
        if noise_root is not None:
            save_file({"root": noise_root.cpu().contiguous()}, root / NOISE)
        (root / CONFIG).write_text(config.to_json(indent=2) + "\n", encoding="utf-8")
        _upload(root, str(url))


def write_corrected(bundle: Bundle, url: str | Path, gap: "GapCorrection", measured: GapConfig) -> None:
    """Write `bundle` to a folder or fsspec URL with a correction that was `measured` so. What it has of the
    package's own models comes along: another version of the package may have others.
    """
    config = bundle.config.model_copy(update={"gap": measured})
    with tempfile.TemporaryDirectory() as staging:
        root = Path(staging)
        if shipped_name(config.llm.name):
            shutil.copytree(bundle.tower(config.llm.name), root / LLM)
            config = config.model_copy(update={"llm": LanguageModelSource(name=LLM)})
        towers = (tower.name.removeprefix(LOCAL_PREFIX) for tower in (config.clip, config.llm))
        for name in (ADAPTOR, MEMORY, NOISE, TEXTS, *towers):
            held = bundle.folder / name
            if (
                held.is_dir() and held != Path(name) and not (root / name).exists()
            ):  # an absolute name is that of another folder
                shutil.copytree(held, root / name, ignore=shutil.ignore_patterns(".*"))
            elif held.is_file() and held.parent == bundle.folder:
                shutil.copyfile(held, root / name)
        _save_gap(root, gap)
        (root / CONFIG).write_text(config.to_json(indent=2) + "\n", encoding="utf-8")
        _upload(root, str(url))


def check_place(url: str | Path) -> None:
    """Raises FileExistsError where a folder or URL holds anything but a bundle: models that lie there would
    be replaced.
    """
    fs, target = fsspec.core.url_to_fs(str(url))
    if not fs.exists(target) or not fs.ls(target, detail=False):
        return
    with suppress(OSError, ValueError):
        BundleConfig.model_validate_json(fs.cat_file(f"{target}/{CONFIG}"))
        return
    raise FileExistsError(f"{url} is not empty and holds no bundle. Choose a new or an empty folder.")


def _save_gap(root: Path, gap: "GapCorrection") -> None:
    from safetensors.torch import save_file

    save_file({name: part.contiguous() for name, part in gap._asdict().items()}, root / GAP)


def _upload(root: Path, url: str) -> None:
    fs, target = fsspec.core.url_to_fs(url)
    for old in (CONFIG, ADAPTOR, MEMORY, GAP, NOISE, TEXTS, CLIP, LLM):
        if fs.exists(f"{target}/{old}"):
            fs.rm(f"{target}/{old}", recursive=True)
    # the config comes last, so that half a bundle is never taken for one
    for path in sorted((p for p in root.rglob("*") if p.is_file()), key=lambda p: p == root / CONFIG):
        remote = f"{target}/{path.relative_to(root).as_posix()}"
        fs.makedirs(remote.rpartition("/")[0], exist_ok=True)
        fs.put_file(str(path), remote)
