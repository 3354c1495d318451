"""What the configs of a CLIP or a language model may say: sizes, kinds and names of their own files.

open_clip and transformers hand parts of these configs to their loaders as they are, `trust_remote_code` among
them. So a CLIP's config is read by a list of the keys that are known, and a value that is code, a path or
another repository is refused before a loader sees it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CLIP_CONFIG_FILE = "open_clip_config.json"

_MODEL = {
    "embed_dim", "quick_gelu", "init_logit_scale", "init_logit_bias", "nonscalar_logit_scale", "output_dict",
    "custom_text", "vision_cfg", "text_cfg", "multimodal_cfg",
}  # fmt: skip
_BOTH_TOWERS = {
    "layers", "width", "mlp_ratio", "ls_init_value", "final_ln_after_pool", "pool_type", "output_tokens",
    "act_kwargs", "norm_kwargs", "block_type", "qk_norm", "scaled_cosine_attn", "scale_heads",
    "scale_attn_inner", "scale_attn", "scale_fc",
}  # fmt: skip
_VISION = _BOTH_TOWERS | {
    "head_width", "patch_size", "image_size", "patch_dropout", "attentional_pool", "attn_pooler_queries",
    "attn_pooler_heads", "no_ln_pre", "pos_embed_type", "timm_model_name", "timm_model_pretrained",
    "timm_pool", "timm_proj", "timm_proj_bias", "timm_drop", "timm_drop_path",
}  # fmt: skip
_TEXT = _BOTH_TOWERS | {
    "context_length", "vocab_size", "hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs", "heads",
    "embed_cls", "pad_id", "eos_id", "no_causal_mask", "proj_bias", "proj_type", "hf_model_name",
    "hf_model_pretrained", "hf_proj_type", "hf_pooler_type",
}  # fmt: skip
_MULTIMODAL = {
    "width", "heads", "layers", "mlp_ratio", "n_queries", "attn_pooler_heads", "context_length", "vocab_size",
    "dim_head", "ls_init_value",
}  # fmt: skip
_TOKENIZER = {
    "bpe_path", "additional_special_tokens", "clean", "reduction_mask", "strip_sep_token", "language",
}  # fmt: skip
_ARGUMENTS = {"eps", "approximate", "elementwise_affine", "bias"}  # of a norm and an activation

# "syntax" makes open_clip download what nltk then unpickles
_MASKS = ("", "simple", "random", "shuffle")

# what transformers reads of a folder; other JSON lies there unread
_READ = {
    "config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json",
    "preprocessor_config.json", "processor_config.json", "chat_template.json",
}  # fmt: skip
_RUNS_CODE = re.compile(
    r"auto_map|trust_remote_code|code_revision|custom_(generate|pipelines|object_\w+)|allow_all_kernels"
    r"|use_kernels|kernel_config|base_model_name_or_path|peft_\w+|init_inputs"
)
_IMPLEMENTATION = re.compile(r"_?(attn|experts|moe)_implementation\w*")
# informational: what a model was trained from, and where. transformers takes its own in their place
_NOT_FOLLOWED = {"_name_or_path", "name_or_path", "special_tokens_map_file", "tokenizer_file", "_commit_hash"}
_NAMES_FILES = re.compile(r"(\w+_)?(files?|paths?|dir|folder|name_or_path|repo|repo_id)")


class UnsafeModelError(ValueError):
    """A model that would run code, unpickle, or reach out of its folder. Nothing of it was loaded."""


def check_clip_config(path: str | Path, document: Mapping[str, Any]) -> None:
    """Raises UnsafeModelError naming what in an `open_clip_config.json` is not known to be harmless."""
    where = str(path)
    model = _section(where, "model_cfg", document.get("model_cfg"), _MODEL)
    _section(where, "model_cfg.vision_cfg", model.get("vision_cfg"), _VISION)
    text = _section(where, "model_cfg.text_cfg", model.get("text_cfg"), _TEXT)
    _section(where, "model_cfg.multimodal_cfg", model.get("multimodal_cfg"), _MULTIMODAL)
    tokenizer = _section(
        where, "model_cfg.text_cfg.tokenizer_kwargs", text.get("tokenizer_kwargs"), _TOKENIZER
    )
    _section(where, "preprocess_cfg", document.get("preprocess_cfg"), None)
    own = tokenizer.get("bpe_path")
    if own is not None and not is_plain_name(own):
        raise _refused(where, "model_cfg.text_cfg.tokenizer_kwargs.bpe_path", "is no file beside it")
    if (tokenizer.get("reduction_mask") or "") not in _MASKS:
        raise _refused(where, "model_cfg.text_cfg.tokenizer_kwargs.reduction_mask", "downloads code")


def check_own_configs(folder: Path) -> None:
    """Checks the configs of a tower that a bundle brings along, which must be complete in itself.

    Raises UnsafeModelError for one that names code, a file elsewhere or another repository's, ValueError for
    a file that is no JSON.
    """
    for path in sorted(folder.glob("*.json")):
        if path.name == CLIP_CONFIG_FILE:
            document = read_json(path)
            check_clip_config(path, document if isinstance(document, dict) else {})
        elif path.name.endswith(".index.json"):
            check_weight_index(path, read_json(path))
            continue
        elif path.name in _READ:
            document = read_json(path)
        else:
            continue
        for key, name, value in _entries(document):
            if isinstance(value, str) and (why := _why_not(name, value)):
                raise _refused(str(path), key, why)
            if _RUNS_CODE.fullmatch(name) and value:
                raise _refused(str(path), key, "is code, or names some")


def check_weight_index(path: Path, document: Any) -> None:
    """Raises UnsafeModelError where an index of weights names a file that is no safetensors beside it."""
    weights = document.get("weight_map") if isinstance(document, dict) else None
    for name in weights.values() if isinstance(weights, dict) else ():
        if not is_plain_name(name) or not name.endswith(".safetensors"):
            raise _refused(str(path), "weight_map", f"names {name!r}, no *.safetensors beside it")


def is_plain_name(name: object) -> bool:
    """Whether it is the name of a file beside the one that says it: no path, no URL."""
    return isinstance(name, str) and name not in ("", ".", "..") and not re.search(r"[/\\:\0]", name)


def is_path(name: str) -> bool:
    """Whether a model's name can only be a path or a URL: hubs know `name` and `owner/name`."""
    return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) is None or bool({".", ".."} & set(name.split("/")))


def read_json(path: Path) -> Any:
    """The document in a file. Raises ValueError that names it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not valid JSON ({error}); restore it or write the bundle again"
        ) from None


@contextmanager
def refusing_code(model: str) -> Iterator[None]:
    """Turns what transformers raises for a model that is code into an UnsafeModelError."""
    try:
        yield
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise UnsafeModelError(
            f"{model} is a model with code of its own, which is never run. Choose one of a kind that "
            "transformers has built in"
        ) from None


def without_code(document: Any) -> None:
    """Remove from a config or tokenizer that is to be saved the code that it names, and was not made by."""
    for holder in (vars(document), vars(document).get("init_kwargs")):
        if isinstance(holder, dict):
            holder.pop("auto_map", None)


def _section(where: str, name: str, section: object, known: set[str] | None) -> Mapping[str, Any]:
    """The section, empty where there is none. `known` None: any key, as nothing but known ones are read."""
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise _refused(where, name, "is not a section of settings")
    for key, value in section.items():
        if known is not None and key not in known:
            raise _refused(where, f"{name}.{key}", "is no setting of a CLIP that is known to be harmless")
        if not (_plain(value) or key.endswith(("_cfg", "tokenizer_kwargs"))):
            raise _refused(where, f"{name}.{key}", f"is a {type(value).__name__} of settings")
    return section


def _plain(value: object) -> bool:
    """A number, a word, a list of them, or arguments of a norm or activation."""
    if isinstance(value, Mapping):
        return set(value) <= _ARGUMENTS and all(map(_scalar, value.values()))
    return all(map(_scalar, value)) if isinstance(value, list | tuple) else _scalar(value)


def _scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _entries(document: object, prefix: str = "") -> Iterator[tuple[str, str, object]]:
    """Each value in it, with its path of keys and the last key that is a name."""
    waiting = [(prefix, "", document)]
    while waiting:
        key, name, value = waiting.pop()
        yield key or "the document", name, value
        if isinstance(value, dict):
            waiting += [(f"{key}.{inner}".strip("."), str(inner), below) for inner, below in value.items()]
        elif isinstance(value, list):
            waiting += [(key, name, below) for below in value]


def _why_not(name: str, value: str) -> str | None:
    if name in _NOT_FOLLOWED:
        return None
    if _IMPLEMENTATION.fullmatch(name) and not re.fullmatch(r"\w*", value):
        return f"names code to download ({value})"
    if name == "transformers_weights" and not (is_plain_name(value) and value.endswith(".safetensors")):
        return f"names {value!r}, no *.safetensors beside it"
    if name in ("hf_model_name", "hf_tokenizer_name") and value and is_path(value):
        return f"names a folder outside ({value})"
    if _NAMES_FILES.fullmatch(name) and re.search(r"^[/~\\]|(^|[/\\])\.\.([/\\]|$)|:", value):
        return f"names a file outside ({value})"
    return None


def _refused(where: str, key: str, why: str) -> UnsafeModelError:
    return UnsafeModelError(f"{where} is refused, and nothing of the model was run: {key} {why}. Remove it.")
