"""Whether the weights of a model are on this machine: as a folder or file, or in the caches of open_clip and
Hugging Face.
"""

from pathlib import Path

from maccap.config import ClipSource, LanguageModelSource
from maccap.image.preprocessing import local_folder

_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
_HUB = "hf-hub:"


def find_clip(clip: ClipSource) -> tuple[Path | None, str]:
    """Where the weights of `clip` are (None: not here), and how to get them."""
    import open_clip

    if clip.pretrained and Path(clip.pretrained).is_file():
        return Path(clip.pretrained), ""
    if (folder := local_folder(clip.name)) is not None:
        return _with_weights(folder), "name a folder in open_clip's format by --clip"
    known = open_clip.get_pretrained_cfg(clip.name.replace("/", "-"), clip.pretrained or "")
    repository = known.get("hf_hub", "").rpartition("/")[0]
    if clip.name.startswith(_HUB):
        repository = clip.name.removeprefix(_HUB)
    if repository:
        return _in_hub_cache(repository), f"hf download {repository}; or name a folder by --clip"
    if url := known.get("url"):
        path = Path("~/.cache/clip").expanduser() / url.rpartition("/")[2]
        return (path if path.is_file() else None), f"{url} into {path.parent}; or name a folder by --clip"
    return None, "open_clip knows no weights of this name and tag: see open_clip.list_pretrained()"


def find_language_model(llm: LanguageModelSource) -> tuple[Path | None, str]:
    """Where the weights of `llm` are (None: not here), and how to get them."""
    if (folder := Path(llm.name)).is_dir():
        return _with_weights(folder), "name a folder in Hugging Face's format by --llm"
    return _in_hub_cache(llm.name), f"hf download {llm.name}; or name a folder by --llm"


def _in_hub_cache(repository: str) -> Path | None:
    """The snapshot that has weights: transformers may take those of another revision than main."""
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.file_download import repo_folder_name

    snapshots = Path(HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model") / "snapshots"
    return next((found for folder in snapshots.glob("*") if (found := _with_weights(folder))), None)


def _with_weights(folder: Path) -> Path | None:
    files = (path for pattern in _WEIGHTS for path in folder.glob(pattern))
    return folder if any(path.is_file() for path in files) else None
