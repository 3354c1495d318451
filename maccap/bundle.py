"""A trained captioner as a folder: `config.json`, `adaptor.safetensors`, and its own towers where it carries
them.

The parts load separately, so that a process that holds a CLIP never loads a language model, and the driver
of a run reads config and fingerprint without torch. Opening a bundle runs no code of it: weights are
safetensors only, and `bundle_files.py` and `tower_config.py` list what its files and configs may be.
"""

import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from maccap.bundle_cache import cached_bundle
from maccap.bundle_files import check_folder, check_names, is_hidden
from maccap.config import BundleConfig, ClipSource, GapConfig, LanguageModelSource
from maccap.fingerprint import fingerprint
from maccap.image.preprocessing import LOCAL_PREFIX, PixelSpec, load_pixel_spec
from maccap.text.engines import DEFAULT_ENGINE, load_engine
from maccap.tower_config import read_json

if TYPE_CHECKING:
    import torch

    from maccap.adaptor.adaptor import Adaptor
    from maccap.adaptor.gap import GapCorrection, Statistics
    from maccap.image.clip import FrozenClip
    from maccap.image.features import FeatureExtractor
    from maccap.sampler import CandidateSampler
    from maccap.text.language_model import FrozenLanguageModel

_CONFIG, _ADAPTOR, _CLIP, _LLM = "config.json", "adaptor.safetensors", "clip", "llm"
_MEMORY, _GAP, _TEXTS = "memory.safetensors", "gap.safetensors", "text_statistics.safetensors"
_NO_BUNDLE = f"holds no {_CONFIG}: give a bundle, as `maccap train` or `save_pretrained` writes"


def built_in_bundle_path() -> Path:
    """The small bundle that the package ships, trained on rendered scenes."""
    return Path(__file__).parent / "bundles" / "scenes"


class Bundle:
    """An opened bundle: its config, and its parts on demand."""

    def __init__(self, folder: Path, config: BundleConfig) -> None:
        self.folder = folder
        self.config = config

    @classmethod
    def open(cls, url: str | Path) -> Self:
        """Open a folder or any fsspec URL; a remote one is first copied to `$MACCAP_CACHE` (~/.cache/maccap).

        Raises FileNotFoundError where there is no bundle, ValueError for a config that cannot be read, and
        `maccap.tower_config.UnsafeModelError`, a ValueError too, for a bundle with code, pickles or paths out
        of it; all say which file and what to do.
        """
        folder, fetched = _local_copy(str(url))
        config = _read_config(folder / _CONFIG, str(url))
        if folder != built_in_bundle_path():  # the package's own, which some installers make of links
            check_names(config, str(folder / _CONFIG), fetched=fetched)
            check_folder(folder, (config.clip.name, config.llm.name))
        return cls(folder, config)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of config, adaptor and the towers' files; a tower from a hub counts by its name."""
        files = {_ADAPTOR: self._adaptor_path(), **self._memory_files()}
        files |= {_GAP: self._path(_GAP, "a `gap`")} if self.config.gap else {}
        files |= self._tower_files(_CLIP, self.config.clip.name)
        files |= self._tower_files(_LLM, self.config.llm.name)
        return fingerprint(self.config.to_json(), files)

    @cached_property
    def features_fingerprint(self) -> str:
        """SHA-256 of what decides an image's features: CLIP, regions and memory."""
        files = {**self._memory_files(), **self._tower_files(_CLIP, self.config.clip.name)}
        regions = {"count", "weighting", "patch_weight"}
        decides = self.config.model_dump_json(include={"clip": True, "regions": regions, "memory": True})
        return fingerprint(decides, files)

    def pixel_spec(self) -> PixelSpec:
        """The pixels that this bundle's CLIP expects; without torch where the CLIP is a folder."""
        return load_pixel_spec(self._resolve(self.config.clip.name), self.config.clip.pretrained)

    def load_clip(
        self, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
    ) -> "FrozenClip":
        """The frozen CLIP; float32 on a CPU and bfloat16 on a GPU unless `dtype` says otherwise."""
        import torch

        from maccap.image.clip import FrozenClip

        if dtype is None:
            dtype = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
        source = self.config.clip
        clip = FrozenClip.load(self._resolve(source.name), source.pretrained, device, dtype)
        if clip.embed_dim != self.config.adaptor.clip_dim:
            raise ValueError(
                f"{self.folder / _CONFIG}: adaptor.clip_dim is {self.config.adaptor.clip_dim}, but CLIP "
                f"{source.name!r} has {clip.embed_dim} dimensions; name the CLIP it was trained with"
            )
        return clip

    def load_features(
        self, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
    ) -> "FeatureExtractor":
        """CLIP, the region settings and the memory of this bundle, pixels to features."""
        from maccap.image.features import FeatureExtractor

        clip, memory = self.load_clip(device, dtype), self.config.memory
        if memory is None:
            return FeatureExtractor(clip, self.config.regions)
        texts = self.load_memory().to(device)
        return FeatureExtractor(clip, self.config.regions, texts, memory.temperature)

    def load_memory(self) -> "torch.Tensor":
        """Features [M, D] of training captions, float32. Raises FileNotFoundError for a bundle without."""
        from safetensors.torch import load_file

        return load_file(self._path(_MEMORY, "a `memory`"))["features"].float()

    def load_gap(self) -> "GapCorrection | None":
        """What brings images closer to the adaptor's texts, if it was measured. Raises FileNotFoundError."""
        from safetensors.torch import load_file

        from maccap.adaptor.gap import GapCorrection, Statistics

        if self.config.gap is None:
            return None
        held = load_file(self._path(_GAP, "a `gap`"))
        return GapCorrection(
            *(Statistics(held[f"{of}.mean"], held[f"{of}.deviation"]) for of in GapCorrection._fields)
        )

    def load_text_statistics(self) -> "Statistics | None":
        """Of what the adaptor read in training; None for a bundle that an earlier version trained."""
        from safetensors.torch import load_file

        from maccap.adaptor.gap import Statistics

        path = self.folder / _TEXTS
        return Statistics(**load_file(path)) if path.is_file() else None

    def load_sampler(
        self,
        device: "str | torch.device" = "cpu",
        dtype: "torch.dtype | None" = None,
        engine: str = DEFAULT_ENGINE,
    ) -> "CandidateSampler":
        """Adaptor (float32) and language model (by default float32 on a CPU, bfloat16 on a GPU), decoding
        with one of `maccap.text.engines`.
        """
        import torch

        from maccap.sampler import CandidateSampler

        if dtype is None:
            dtype = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
        decoder = load_engine(engine, self._resolve(self.config.llm.name), device, dtype)
        return CandidateSampler(
            self.load_adaptor(device), decoder, self.config.captioning_noise, self.load_gap()
        )

    def load_adaptor(self, device: "str | torch.device" = "cpu") -> "Adaptor":
        """The trained adaptor, float32. Raises ValueError where its weights are not of the config's sizes."""
        from safetensors.torch import load_file

        from maccap.adaptor.adaptor import Adaptor

        path = self._adaptor_path()
        adaptor = Adaptor(self.config.adaptor)
        try:
            adaptor.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise ValueError(f"{path} does not fit `adaptor` in {_CONFIG} beside it: {error}") from error
        return adaptor.to(device)

    def _adaptor_path(self) -> Path:
        path = self.folder / _ADAPTOR
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; a bundle holds {_CONFIG} and {_ADAPTOR}")
        return path

    def _tower_files(self, part: str, name: str) -> dict[str, Path]:
        tower = Path(self._resolve(name))
        paths = (path for path in sorted(tower.rglob("*")) if path.is_file()) if tower.is_dir() else ()
        names = {path.relative_to(tower).as_posix(): path for path in paths}
        return {f"{part}/{name}": path for name, path in names.items() if not is_hidden(name)}

    def _memory_files(self) -> dict[str, Path]:
        return {_MEMORY: self._path(_MEMORY, "a `memory`")} if self.config.memory else {}

    def _path(self, name: str, named: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing, and {_CONFIG} beside it has {named}")
        return path

    def _resolve(self, name: str) -> str:
        """A tower's name, or its folder where the bundle carries it."""
        inside = self.folder / name.removeprefix(LOCAL_PREFIX)
        return str(inside) if inside.is_dir() else name


def write_bundle(
    url: str | Path,
    config: BundleConfig,
    clip: "FrozenClip | None",
    lm: "FrozenLanguageModel | None",
    adaptor: "Adaptor",
    *,
    memory: "torch.Tensor | None" = None,
    gap: "GapCorrection | None" = None,
    texts: "Statistics | None" = None,
    half: bool = False,
) -> None:
    """Write a bundle to a folder or fsspec URL, over an older one there; `config.json` is written last.

    A frozen model that is given is written too and `config` made to name the copy; where it is None the
    config's name stays, and whoever opens the bundle must have that model. `half` stores all weights as
    float16. `memory` [M, D] goes with a `config.memory`, `gap` with a `config.gap`; raises ValueError for one
    without the other. `texts` are the statistics of what the adaptor read, for a correction later.
    """
    from safetensors.torch import save_file

    if (memory is None) != (config.memory is None):
        raise ValueError("a memory of text features and config.memory go together")
    if (gap is None) != (config.gap is None):
        raise ValueError("a correction of the gap and config.gap go together")
    with tempfile.TemporaryDirectory() as staging:
        root = Path(staging)
        if clip is not None:
            clip.save(root / _CLIP, half=half)
            config = config.model_copy(update={"clip": ClipSource(name=_CLIP)})
        if lm is not None:
            lm.save(root / _LLM, half=half)
            config = config.model_copy(update={"llm": LanguageModelSource(name=_LLM)})
        weights = {
            key: (value.half() if half else value).detach().cpu().contiguous()
            for key, value in adaptor.state_dict().items()
        }
        save_file(weights, root / _ADAPTOR)
        if memory is not None:
            save_file({"features": memory.half().cpu().contiguous()}, root / _MEMORY)
        if texts is not None:
            save_file(texts._asdict(), root / _TEXTS)
        if gap is not None:
            _save_gap(root, gap)
        (root / _CONFIG).write_text(config.to_json(indent=2) + "\n", encoding="utf-8")
        _upload(root, str(url))


def write_corrected(bundle: Bundle, url: str | Path, gap: "GapCorrection", images: int) -> None:
    """Write `bundle` to a folder or fsspec URL with a correction that was measured on so many images."""
    config = bundle.config.model_copy(update={"gap": GapConfig(images=images)})
    with tempfile.TemporaryDirectory() as staging:
        root = Path(staging)
        towers = (tower.name.removeprefix(LOCAL_PREFIX) for tower in (config.clip, config.llm))
        for name in (_ADAPTOR, _MEMORY, _TEXTS, *towers):
            held = bundle.folder / name
            if held.is_dir() and held != Path(name):  # an absolute name is that of another folder
                shutil.copytree(held, root / name, ignore=shutil.ignore_patterns(".*"))
            elif held.is_file() and held.parent == bundle.folder:
                shutil.copyfile(held, root / name)
        _save_gap(root, gap)
        (root / _CONFIG).write_text(config.to_json(indent=2) + "\n", encoding="utf-8")
        _upload(root, str(url))


def _save_gap(root: Path, gap: "GapCorrection") -> None:
    from safetensors.torch import save_file

    named = {
        f"{of}.{name}": value.contiguous()
        for of, statistics in gap._asdict().items()
        for name, value in statistics._asdict().items()
    }
    save_file(named, root / _GAP)


def _upload(root: Path, url: str) -> None:
    fs, target = fsspec.core.url_to_fs(url)
    for old in (_CONFIG, _ADAPTOR, _MEMORY, _GAP, _TEXTS, _CLIP, _LLM):
        if fs.exists(f"{target}/{old}"):
            fs.rm(f"{target}/{old}", recursive=True)
    # the config comes last, so that half a bundle is never taken for one
    for path in sorted((p for p in root.rglob("*") if p.is_file()), key=lambda p: p == root / _CONFIG):
        remote = f"{target}/{path.relative_to(root).as_posix()}"
        fs.makedirs(fs._parent(remote), exist_ok=True)
        fs.put_file(str(path), remote)


def _local_copy(url: str) -> tuple[Path, bool]:
    """The bundle as a folder here, and whether it was fetched."""
    fs, path = fsspec.core.url_to_fs(url)
    if isinstance(fs, LocalFileSystem):
        return Path(path), False
    folder = cached_bundle(fs, path, url)
    if folder is None:
        raise FileNotFoundError(f"{url} {_NO_BUNDLE}")
    return folder, True


def _read_config(path: Path, url: str) -> BundleConfig:
    if not path.is_file():
        raise FileNotFoundError(f"{url} {_NO_BUNDLE}")
    document = read_json(path)
    try:
        return BundleConfig.model_validate(document)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the document'}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise ValueError(f"{path} is not a bundle config; correct or remove {'; '.join(problems)}") from error
