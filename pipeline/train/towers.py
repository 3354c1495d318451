"""The two frozen models a run trains between, named so that every worker can load them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from maccap.bundle import Bundle, built_in_bundle_path
from maccap.config import ClipSource, LanguageModelSource
from maccap.fingerprint import fingerprint
from maccap.image.preprocessing import LOCAL_PREFIX, load_pixel_spec
from maccap.tower_config import refusing_code
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe
from pipeline.storage.urls import absolute

if TYPE_CHECKING:
    import torch

    from maccap.image.clip import FrozenClip
    from maccap.text.language_model import FrozenLanguageModel


@dataclass(frozen=True)
class Towers:
    """CLIP and language model, each by name or folder, or of the bundle `init` (a path or URL)."""

    clip: ClipSource
    llm: LanguageModelSource
    init: str | None = None

    def __reduce__(self) -> tuple[type["Towers"], tuple[object, ...]]:
        # on another machine the bundle is opened anew
        return Towers, (self.clip, self.llm, self.init)

    @cached_property
    def bundle(self) -> Bundle | None:
        """The bundle they come from, opened on this machine."""
        return None if self.init is None else Bundle.open(self.init)

    @cached_property
    def clip_fingerprint(self) -> str:
        """Of its files where CLIP is a folder, else of its name and tag."""
        return _fingerprint(self._resolve(self.clip.name), self.clip.pretrained)

    @cached_property
    def llm_fingerprint(self) -> str:
        return _fingerprint(self._resolve(self.llm.name))

    def carried(self, part: Literal["clip", "llm"]) -> bool:
        """Whether a bundle must bring this model along: nobody else has a folder's name, or a file's."""
        weights = self.clip.pretrained if part == "clip" else None
        return Path(self._resolve(getattr(self, part).name)).is_dir() or Path(weights or "/").is_file()

    def load_clip(self, device: str = "cpu") -> "FrozenClip":
        """In float32 wherever it computes, so that its features are the same. Raises UserError where its
        files cannot be read.
        """
        import torch

        from maccap.image.clip import FrozenClip

        name = self._resolve(self.clip.name)
        with _loading(f"CLIP {name}"):
            return FrozenClip.load(name, self.clip.pretrained, device, torch.float32)

    def load_lm(self, device: str = "cpu", dtype: "torch.dtype | None" = None) -> "FrozenLanguageModel":
        """Raises UserError where its files cannot be read."""
        from maccap.text.language_model import FrozenLanguageModel

        name = self._resolve(self.llm.name)
        with _loading(f"language model {name}"):
            return FrozenLanguageModel.load(name, device, dtype)

    def check(self) -> None:
        """Raises UserError where a model cannot be found, before anything is written."""
        from transformers import AutoConfig

        try:
            load_pixel_spec(self._resolve(self.clip.name), self.clip.pretrained)
            if not self.carried("clip") and self.clip.pretrained is None and ":" not in self.clip.name:
                raise ValueError("its weights must be named too: add --pretrained TAG")
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"CLIP {self.clip.name} cannot be used: {describe(error)}") from None
        try:
            name = self._resolve(self.llm.name)
            with refusing_code(name):
                config = AutoConfig.from_pretrained(
                    name, local_files_only=Path(name).is_dir(), trust_remote_code=False
                )
            kinds = getattr(config, "architectures", None) or []
            if getattr(config, "is_encoder_decoder", False) or any("MaskedLM" in kind for kind in kinds):
                raise ValueError(
                    f"{', '.join(kinds) or config.model_type} is no causal language model, as GPT-2, OPT, "
                    "Llama or Qwen are"
                )
        except (OSError, ValueError) as error:
            raise UserError(f"language model {self.llm.name} cannot be used: {describe(error)}") from None

    def _resolve(self, name: str) -> str:
        return self.bundle.tower(name) if self.bundle else name


@contextmanager
def _loading(what: str) -> Iterator[None]:
    """Damaged files and those of another model raise whatever the libraries that read them do."""
    from safetensors import SafetensorError

    damaged = (OSError, ValueError, RuntimeError, ImportError, AssertionError, SafetensorError)
    try:
        yield
    except damaged as error:
        raise UserError(f"{what} cannot be loaded: {describe(error)}") from error


def choose_towers(init: str | None, clip: str | None, pretrained: str | None, llm: str | None) -> Towers:
    """The models a person named: those of a bundle (`init`; the built-in one where nothing is named), or a
    CLIP and a language model. Raises UserError where that is too little, too much or does not go together.
    """
    if pretrained and not clip:
        raise UserError("--pretrained names the weights of --clip; give --clip too")
    if init and llm:
        raise UserError(
            "--init brings its own language model; leave --llm out, or name --clip and --llm alone"
        )
    if llm and not clip:
        raise UserError("--llm needs a CLIP beside it; name one with --clip")
    if clip and not init and not llm:
        raise UserError("--clip needs a language model beside it; name one with --llm")
    if clip and pretrained and Path(clip).is_dir():
        raise UserError(f"--clip {clip} is a folder, whose weights are in it; leave --pretrained out.")
    if clip and llm:
        towers = Towers(
            ClipSource(name=absolute_folder(clip), pretrained=pretrained),
            LanguageModelSource(name=absolute_folder(llm)),
        )
        towers.check()
        return towers
    url = absolute(init) if init else str(built_in_bundle_path())
    try:
        config = Bundle.open(url).config
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"--init {init} cannot be opened: {describe(error)}") from None
    towers = Towers(config.clip, config.llm, url)
    if clip:
        asked = Towers(ClipSource(name=absolute_folder(clip), pretrained=pretrained), config.llm)
        if asked.clip_fingerprint != towers.clip_fingerprint:
            raise UserError(
                f"the bundle {init} has another CLIP ({config.clip.name}) than --clip {clip}; "
                "leave --clip out, or name --clip and --llm without --init"
            )
    towers.check()
    return towers


def absolute_folder(name: str) -> str:
    """A model's folder by a path that is the same wherever it is opened from; another name as it is."""
    return str(Path(name).absolute()) if Path(name).is_dir() else name


def _fingerprint(name: str, pretrained: str | None = None) -> str:
    """SHA-256 of a folder's files, of a hub's name, or of a name and a file of weights."""
    folder, settings = Path(name.removeprefix(LOCAL_PREFIX)), ""
    if folder.is_dir():
        files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    else:
        settings, weights = f"{name}\0{pretrained}", Path(pretrained or "")
        files = {"": weights} if pretrained and weights.is_file() else {}
    return fingerprint(settings, dict(sorted(files.items())))
