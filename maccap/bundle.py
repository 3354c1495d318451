"""A trained captioner as a folder: `config.json`, `adaptor.safetensors`, and its own towers where it carries
them.

The parts load separately, so that a process that holds a CLIP never loads a language model, and the driver
of a run reads config and fingerprint without torch. Opening a bundle runs no code of it: weights are
safetensors only, and `bundle_files.py` and `tower_config.py` list what its files and configs may be.
"""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import ValidationError

from maccap.bundle_cache import cached_bundle
from maccap.bundle_files import (
    ADAPTOR,
    CLIP,
    CONFIG,
    GAP,
    LLM,
    MEMORY,
    NOISE,
    TEXTS,
    check_folder,
    check_names,
    is_hidden,
)
from maccap.config import BundleConfig
from maccap.fingerprint import fingerprint
from maccap.image.preprocessing import LOCAL_PREFIX, PixelSpec, load_pixel_spec
from maccap.text.engines import DEFAULT_ENGINE, load_engine
from maccap.tower_config import read_json

if TYPE_CHECKING:
    import torch

    from maccap.adaptor.adaptor import Adaptor
    from maccap.adaptor.gap import GapCorrection, Statistics
    from maccap.adaptor.noise import RegionNoise
    from maccap.image.clip import FrozenClip
    from maccap.image.features import FeatureExtractor
    from maccap.rerank import Reranker
    from maccap.sampler import CandidateSampler

_NO_BUNDLE = f"holds no {CONFIG}: give a bundle, as `maccap train` or `save_pretrained` writes"


_BUILT_IN = "built-in://"
_SHIPPED = Path(__file__).parent / "bundles"


def built_in_bundle_path(name: str = "scenes") -> Path:
    """A small bundle that the package ships, trained on rendered scenes; by default the one that commands
    take unless told otherwise.
    """
    return _SHIPPED / name


class Bundle:
    """An opened bundle: its config, and its parts on demand."""

    def __init__(self, folder: Path, config: BundleConfig) -> None:
        self.folder = folder
        self.config = config

    @classmethod
    def open(cls, url: str | Path) -> Self:
        """Open a folder, any fsspec URL, or one that comes with the package, `built-in://NAME`; a remote one
        is first copied to `$MACCAP_CACHE` (~/.cache/maccap).

        Raises FileNotFoundError where there is no bundle, ValueError for a config that cannot be read, and
        `maccap.tower_config.UnsafeModelError`, a ValueError too, for a bundle with code, pickles or paths out
        of it; all say which file and what to do.
        """
        folder, fetched = _local_copy(str(url))
        config = _read_config(folder / CONFIG, str(url))
        for part, name in ((CLIP, config.clip.name), (LLM, config.llm.name)):
            if name == part and not (folder / part).is_dir():
                raise FileNotFoundError(f"{url} has no folder {part}/, which its {CONFIG} names; copy it too")
        if folder.parent != _SHIPPED:  # the package's own, which some installers make of links
            check_names(config, str(folder / CONFIG), fetched=fetched)
            check_folder(folder, (config.clip.name, config.llm.name))
        return cls(folder, config)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of config, adaptor and the towers' files; a tower from a hub counts by its name."""
        files = {ADAPTOR: self.adaptor_path(), **self._memory_files()}
        files |= {GAP: self._path(GAP, "a `gap`")} if self.config.gap else {}
        files |= {NOISE: self._noise_file()} if self.config.noise_covariance else {}
        files |= self._tower_files(CLIP, self.config.clip.name)
        files |= self._tower_files(LLM, self.config.llm.name)
        return fingerprint(self.config.to_json(), files)

    @cached_property
    def features_fingerprint(self) -> str:
        """SHA-256 of what decides an image's features: CLIP, regions and memory."""
        files = {**self._memory_files(), **self._tower_files(CLIP, self.config.clip.name)}
        regions = {"count", "weighting", "patch_weight"}
        decides = self.config.model_dump_json(include={"clip": True, "regions": regions, "memory": True})
        return fingerprint(decides, files)

    def tower(self, name: str) -> str:
        """A frozen model's name, or its folder where the bundle, or one of the package's own, carries it."""
        if name.startswith(_BUILT_IN):
            return str(_shipped(name))
        inside = self.folder / name.removeprefix(LOCAL_PREFIX)
        return str(inside) if inside.is_dir() else name

    def pixel_spec(self) -> PixelSpec:
        """The pixels that this bundle's CLIP expects; without torch where the CLIP is a folder."""
        return load_pixel_spec(self.tower(self.config.clip.name), self.config.clip.pretrained)

    def load_clip(
        self, device: "str | torch.device" = "cpu", dtype: "torch.dtype | None" = None
    ) -> "FrozenClip":
        """The frozen CLIP; float32 on a CPU and bfloat16 on a GPU unless `dtype` says otherwise.

        Raises ValueError where its dimensions are not the adaptor's, and as `FrozenClip.load` does.
        """
        from maccap.image.clip import FrozenClip

        source = self.config.clip
        dtype = dtype or _default_dtype(device)
        clip = FrozenClip.load(self.tower(source.name), source.pretrained, device, dtype)
        if clip.embed_dim != self.config.adaptor.clip_dim:
            raise ValueError(
                f"{self.folder / CONFIG}: adaptor.clip_dim is {self.config.adaptor.clip_dim}, but CLIP "
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

        return load_file(self._path(MEMORY, "a `memory`"))["features"].float()

    def load_gap(self) -> "GapCorrection | None":
        """What brings images closer to the adaptor's texts, if it was measured. Raises FileNotFoundError."""
        from safetensors.torch import load_file

        from maccap.adaptor.gap import GapCorrection, Statistics

        if self.config.gap is None:
            return None
        dim = self.config.adaptor.clip_dim
        path = self._path(GAP, "a `gap`")
        held = load_file(path)
        if "matrix" in held:
            return GapCorrection(**_checked(path, held, images=(dim,), matrix=(dim, dim), texts=(dim,)))
        # as an earlier version wrote it
        names = [f"{of}.{name}" for of in ("images", "texts") for name in ("mean", "deviation")]
        parts = [_checked(path, held, **{name: (dim,)})[name] for name in names]
        return GapCorrection.by_dimension(Statistics(*parts[:2]), Statistics(*parts[2:]))

    def load_noise(self) -> "RegionNoise":
        """Of captioning. Raises FileNotFoundError."""
        from safetensors.torch import load_file

        from maccap.adaptor.noise import RegionNoise

        config, root = self.config, None
        if config.noise_covariance:
            dim, path = config.adaptor.clip_dim, self._noise_file()
            root = _checked(path, load_file(path), root=(dim, dim))["root"]
        return RegionNoise(config.captioning_noise, config.noise_shared, root)

    def load_text_statistics(self) -> "Statistics | None":
        """Of what the adaptor read in training; None for a bundle that an earlier version trained."""
        from safetensors.torch import load_file

        from maccap.adaptor.gap import Statistics

        path = self.folder / TEXTS
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
        from maccap.sampler import CandidateSampler

        decoder = load_engine(
            engine, self.tower(self.config.llm.name), device, dtype or _default_dtype(device)
        )
        return CandidateSampler(
            self.load_adaptor(device),
            decoder,
            self.load_noise(),
            self.load_gap(),
        )

    def load_reranker(self, clip: "FrozenClip") -> "Reranker":
        """What chooses among candidates, by the text tower of `clip`. Raises as `load_gap` does."""
        from maccap.rerank import Reranker

        rerank = self.config.rerank
        return Reranker(clip, rerank, self.load_gap() if rerank.closed_gap else None)

    def load_adaptor(self, device: "str | torch.device" = "cpu") -> "Adaptor":
        """The trained adaptor, float32. Raises ValueError where its weights are not of the config's sizes."""
        from safetensors.torch import load_file

        from maccap.adaptor.adaptor import Adaptor

        path = self.adaptor_path()
        adaptor = Adaptor(self.config.adaptor)
        try:
            adaptor.load_state_dict(load_file(path))
        except RuntimeError as error:
            raise ValueError(f"{path} does not fit `adaptor` in {CONFIG} beside it: {error}") from error
        return adaptor.to(device)

    def adaptor_path(self) -> Path:
        """The file of the adaptor's weights. Raises FileNotFoundError where it is missing."""
        path = self.folder / ADAPTOR
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing; a bundle holds {CONFIG} and {ADAPTOR}")
        return path

    def _tower_files(self, part: str, name: str) -> dict[str, Path]:
        tower = Path(self.tower(name))
        paths = (path for path in sorted(tower.rglob("*")) if path.is_file()) if tower.is_dir() else ()
        names = {path.relative_to(tower).as_posix(): path for path in paths}
        return {f"{part}/{name}": path for name, path in names.items() if not is_hidden(name)}

    def _memory_files(self) -> dict[str, Path]:
        return {MEMORY: self._path(MEMORY, "a `memory`")} if self.config.memory else {}

    def _noise_file(self) -> Path:
        return self._path(NOISE, "a `noise_covariance`")

    def _path(self, name: str, named: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing, and {CONFIG} beside it has {named}")
        return path


def _checked(
    path: Path, held: "dict[str, torch.Tensor]", **shapes: tuple[int, ...]
) -> "dict[str, torch.Tensor]":
    """Those of a file's tensors. Raises ValueError where one is missing or of another shape."""
    for name, shape in shapes.items():
        if name not in held or tuple(held[name].shape) != shape:
            found = f"has {tuple(held[name].shape)}" if name in held else "is missing"
            raise ValueError(f"{path} is not of this bundle: {name} {found}, and should be {shape}")
    return {name: held[name] for name in shapes}


def _default_dtype(device: "str | torch.device") -> "torch.dtype":
    import torch

    return torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16


def _local_copy(url: str) -> tuple[Path, bool]:
    """The bundle as a folder here, and whether it was fetched."""
    if url.startswith(_BUILT_IN):
        return _shipped(url), False
    fs, path = fsspec.core.url_to_fs(url)
    if isinstance(fs, LocalFileSystem):
        return Path(path), False
    folder = cached_bundle(fs, path, url)
    if folder is None:
        raise FileNotFoundError(f"{url} {_NO_BUNDLE}")
    return folder, True


def shipped_name(url: str) -> str:
    """That of the package's own bundle in `built-in://NAME/...`; empty for another URL."""
    return url.removeprefix(_BUILT_IN).partition("/")[0] if url.startswith(_BUILT_IN) else ""


def _shipped(url: str) -> Path:
    """A folder that comes with the package. Raises FileNotFoundError for another, and for what is none."""
    name = url.removeprefix(_BUILT_IN).strip("/")
    if name and ".." not in name.split("/") and (_SHIPPED / name).is_dir():
        return _SHIPPED / name
    there = sorted(_SHIPPED.iterdir()) if _SHIPPED.is_dir() else []
    names = ", ".join(f"{_BUILT_IN}{folder.name}" for folder in there) or "none is here"
    raise FileNotFoundError(f"{url} is none of the package's own bundles: {names}")


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
