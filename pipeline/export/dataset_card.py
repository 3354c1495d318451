"""The data set card of an export: README.md, with the front matter that Hugging Face's hub reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import yaml

from maccap import __version__
from pipeline.export.format import IMAGE, Format
from pipeline.export.options import ExportOptions
from pipeline.run.facts import RunFacts

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))
_NAMES = {"float": "float32", "double": "float64", str(pa.json_()): "json"}


def dataset_card(
    form: Format,
    options: ExportOptions,
    facts: RunFacts,
    examples: Mapping[str, int],
    extensions: Sequence[str] = (),
) -> str | None:
    """Markdown, None where `datasets` does not load the format; `examples` are counted by split, and
    `extensions` are those of their images. It names no place on the machine that made it; licences are left
    to fill in.
    """
    there = [name for name, count in examples.items() if count]
    files = {name: pattern for name in there if (pattern := form.files_of(name))}
    if not files:
        return None
    front = _front_matter(files, form.loaded_schema(extensions), sum(examples.values()))
    split = "\n".join(f"| {name} | {count:,} |" for name, count in examples.items())
    settings = {
        "model": facts.model.rstrip("/").rpartition("/")[2],
        "model fingerprint": facts.model_fingerprint,
        "decoding": facts.decoding.model_dump(mode="json"),
        "prompt": facts.prompt.model_dump(mode="json") if facts.prompt else None,
        "seed": facts.seed,
        "precision": facts.precision,
        "rows chosen by": options.where,
        "captions of each image": options.captions or "all candidates",
    }
    rows = "\n".join(f"| {name} | {_code(value)} |" for name, value in settings.items() if value is not None)
    return f"""---
{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---
# (name of this data set)

**The captions and answers in this data set are machine-made.** A model wrote them from the images alone, and
no person has checked them: they may be wrong, and may repeat what the model learnt of people and places. What
the images brought themselves is in `original_caption` and `metadata`.

| split | images |
|---|---|
{split}

## How the captions were made

MacCap {facts.version} ([method](https://arxiv.org/abs/2401.02347)), exported by MacCap {__version__}.
`clip_score` is the cosine of caption and image in the space of the model's CLIP.

| setting | |
|---|---|
{rows}

## To fill in

- Licence of the images: (fill in, and put its name in place of `unknown` above)
- Licence of the captions: (fill in; those of the models may bear on it)
- Where the images come from, and who may be seen in them: (fill in)
"""


def _front_matter(files: Mapping[str, str], schema: pa.Schema | None, images: int) -> dict[str, Any]:
    """`configs` name the files of each split: `datasets` itself knows but a few names of splits."""
    patterns = [{"split": name, "path": pattern} for name, pattern in files.items()]
    features = {"dataset_info": {"features": [_feature(field) for field in schema]}} if schema else {}
    return {
        "license": "unknown",
        "annotations_creators": ["machine-generated"],
        "task_categories": ["image-to-text", "text-to-image"],
        "size_categories": [_size(images)],
        "configs": [{"config_name": "default", "data_files": patterns}],
        **features,
    }


def _size(images: int) -> str:
    return next((name for most, name in (*_SIZES, *_LARGER) if images < most), "1B<n<10B")


def _feature(field: pa.Field) -> dict[str, Any]:
    if field.type == IMAGE:
        return {"name": field.name, "dtype": "image"}
    if pa.types.is_fixed_size_list(field.type):
        length = {"length": field.type.list_size}
        return {"name": field.name, "list": _described(field.type.value_type), **length}
    if pa.types.is_list(field.type):
        return {"name": field.name, "list": _described(field.type.value_type)}
    key = "struct" if pa.types.is_struct(field.type) else "dtype"
    return {"name": field.name, key: _described(field.type)}


def _described(kind: pa.DataType) -> str | list[dict[str, Any]]:
    return [_feature(field) for field in kind] if pa.types.is_struct(kind) else _dtype(kind)


def _dtype(kind: pa.DataType) -> str:
    return _NAMES.get(str(kind), str(kind))


def _code(value: object) -> str:
    """As Markdown shows it and takes nothing in it for its own."""
    text = value if isinstance(value, str) else json.dumps(value)
    plain = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"
