"""The settings of a captioning run, typed, from a YAML or JSON file and the command line."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from maccap.config import AskConfig, Config, DecodingConfig, PromptConfig, decoding_preset
from maccap.text.engines import DEFAULT_ENGINE, find_engine
from pipeline.join.image_names import NameRule
from pipeline.sources import ChunkLimits, SourceOptions
from pipeline.sources.sample import MAX_BYTES
from pipeline.stages.decoding.decode_image import MAX_PIXELS, Colour
from pipeline.stages.registry import STAGES, stages_of
from pipeline.stages.resources import Resources
from pipeline.stages.stage import Stage, Task
from pipeline.stages.steps import check_resources
from pipeline.stages.torch_runtime import Precision
from pipeline.storage.errors import UserError


class CaptionJobConfig(SourceOptions):
    """Settings of one run. All but `decode_seconds`, `resources` and the batch sizes are part of what
    `run.json` pins down; in half precision `candidate_batch` too.
    """

    tasks: tuple[Task, ...] = Field(default=("caption",), description="caption, ask, or both")
    prompt: PromptConfig | None = Field(default=None, description="what captions go on from")
    existing_caption: str | None = Field(
        default=None,
        description="the column, key or extension of captions that images came with: kept and scored too",
    )
    only_missing: bool = Field(default=False, description="caption images without such a caption alone")
    only_below: float | None = Field(
        default=None, description="caption those alone that have none, or one of a lower CLIP score"
    )
    ask: AskConfig = Field(default=AskConfig(), description="how questions are put, and answers chosen")
    questions: tuple[str, ...] = Field(default=(), description="asked about every image")
    questions_file: str | None = Field(
        default=None, description="questions joined on image names; default: each sample's own `questions`"
    )
    join_on: NameRule | None = Field(
        default=None, description="which name of an image a file of questions gives; default: as fits"
    )
    decoding: dict[str, Any] = Field(
        default={},
        description="overrides of the bundle's decoding defaults, by name; or a preset: paper, sampled",
    )
    seed: int = Field(default=0, description="of noise and sampling")
    chunk_rows: int = Field(default=512, ge=1, description="samples per chunk, and so rows per Parquet file")
    chunk_bytes: int = Field(
        default=256 << 20, ge=1, description="image bytes after which a chunk ends early"
    )
    max_pixels: int = Field(default=MAX_PIXELS, ge=1, description="images of more pixels become error rows")
    limit: int | None = Field(default=None, ge=1, description="only the first so many images of SOURCE")
    keep_features: bool = Field(
        default=False,
        description="CLIP features into the table too, so that captioning again needs no images",
    )
    flags: bool | None = Field(
        default=None,
        description="a column of what is wrong with each caption's text; default: yes, but not in a run "
        "that was begun without",
    )
    hashes: bool = Field(
        default=False, description="columns by which duplicate images are found: sha256 and phash"
    )
    score_heads: dict[str, str] = Field(
        default={},
        description="a column of scores by heads over CLIP's feature: names, each with a safetensors file",
    )
    region_captions: int = Field(
        default=0, ge=0, le=32, description="a caption too of each of so many regions of an image, at most"
    )
    max_bytes: int = Field(
        default=MAX_BYTES, ge=1, description="samples of more bytes become error rows, and are not read"
    )
    accept_truncated: bool = Field(
        default=False, description="caption images that were cut short by what is there of them"
    )
    decode_seconds: float = Field(
        default=10, gt=0, description="CPU time after which an image becomes an error row"
    )
    reduce_jpegs: bool = Field(
        default=False,
        description="decode large JPEGs at 1/2, 1/4 or 1/8 of their size, though not below twice CLIP's: "
        "faster, and a few captions differ",
    )
    colour: Colour = Field(
        default="ignored",
        description="embedded: as each image's colour profile says, in sRGB; ignored: as open_clip does",
    )
    precision: Literal["auto", Precision] = Field(
        default="auto", description="auto: bfloat16 where the cluster has GPUs, else float32"
    )
    engine: str = Field(default=DEFAULT_ENGINE, description="what decodes: see maccap/text/engines.py")
    feature_batch: int = Field(default=64, ge=1, description="images CLIP encodes at once, at most")
    candidate_batch: int | None = Field(
        default=None,
        ge=1,
        description="images the language model decodes at once, at most; default: as fits and pays; "
        "in half precision exactly so many, and part of what run.json pins down",
    )
    rerank_batch: int = Field(default=64, ge=1, description="images whose candidates CLIP scores at once")
    stall_seconds: float = Field(
        default=1800, gt=0, description="without a finished chunk for so long, the run ends with an error"
    )
    resources: Resources | None = Field(
        default=None, description="of each stage by its name; default: fitted to the machine or cluster"
    )
    expected_gpus: int | None = Field(
        default=None,
        ge=1,
        description="that a cluster grows to which starts with fewer: resources are fitted to so many",
    )

    @field_validator("decoding")
    @classmethod
    def _known_decoding(cls, overrides: dict[str, Any]) -> dict[str, Any]:
        """Names and types; how the values go together is decided with the bundle's, in `decoding_over`."""
        try:
            DecodingConfig.model_validate(overrides)
        except ValidationError as error:
            if any(problem["loc"] for problem in error.errors()):
                raise
        return overrides

    @field_validator("engine")
    @classmethod
    def _known_engine(cls, name: str) -> str:
        find_engine(name)
        return name

    @field_validator("score_heads")
    @classmethod
    def _plain_names(cls, heads: dict[str, str]) -> dict[str, str]:
        for name, file in heads.items():
            if not re.fullmatch(r"[\w.-]+", name) or not file:
                raise ValueError(f"{name!r}: give a name of letters, digits, _, . and -, and a file")
        return heads

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if not self.tasks:
            raise ValueError("tasks: choose caption, ask, or both")
        if self.region_captions and "caption" not in self.tasks:
            raise ValueError("region_captions go with the task caption: choose it too")
        if self.questions and self.questions_file:
            raise ValueError("questions are given one by one or as a file, not both")
        if self.join_on and not self.questions_file:
            raise ValueError("join_on says which name a file of questions gives: give that too")
        if self.only_missing and self.only_below is not None:
            raise ValueError("only_missing leaves every caption that is there, only_below not: choose one")
        if any(not question.strip() for question in self.questions):
            raise ValueError("questions must not be empty texts")
        if len(set(self.questions)) < len(self.questions):
            raise ValueError("the same question is given twice")
        if self.existing_caption is None and (self.only_missing or self.only_below is not None):
            raise ValueError("only_missing and only_below go with existing_caption, which says of what")
        if self.resources is not None:
            check_resources(self.resources, self.stages(), STAGES)
        return self

    @property
    def requests(self) -> frozenset[str]:
        """The settings that ask for more stages or columns."""
        asked = {
            "keep_features": self.keep_features,
            "existing_caption": self.existing_caption,
            "flags": self.flags is not False,
            "hashes": self.hashes,
            "score_heads": self.score_heads,
            "region_captions": self.region_captions,
        }
        return frozenset(name for name, value in asked.items() if value)

    def resuming(self, stages: Collection[str]) -> Self:
        """The same for a run that was begun with `stages`, with their defaults."""
        return self if self.flags is not None else self.model_copy(update={"flags": "flags" in stages})

    def stages(self) -> tuple[type[Stage], ...]:
        """Those that the run may need."""
        return stages_of(self.tasks, self.requests)

    def limits(self) -> ChunkLimits:
        return ChunkLimits(self.chunk_rows, self.chunk_bytes, self.max_bytes)

    def decoding_over(self, defaults: DecodingConfig) -> DecodingConfig:
        """The bundle's defaults with this run's overrides. Raises UserError where they do not go together."""
        try:
            return DecodingConfig.model_validate({**defaults.model_dump(), **self.decoding})
        except ValidationError as error:
            problems = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
            raise UserError(
                f"decoding: {problems}, with what the model sets for keys that are not given. "
                "Give them together, under `decoding` in the --config file."
            ) from None


def load_config(path: Path | None, overrides: dict[str, Any]) -> CaptionJobConfig:
    """Settings from a YAML or JSON file, with `overrides` from the command line on top (None: not given).

    `overrides` takes the keys of `CaptionJobConfig`; sections, as `decoding`, are merged key by key. Raises
    UserError.
    """
    settings = read_settings(path) if path else {}
    if isinstance(preset := settings.get("decoding"), str):
        try:
            settings["decoding"] = decoding_preset(preset)
        except ValueError as error:
            raise UserError(f"config file {path}: `decoding`: {error}") from None
    if isinstance(prompt := settings.get("prompt"), str):
        settings["prompt"] = {"text": prompt}
    try:
        return CaptionJobConfig.model_validate(merged(settings, given(overrides)))
    except ValidationError as error:
        models: dict[str, type[Config]] = {
            "": CaptionJobConfig,
            "decoding": DecodingConfig,
            "prompt": PromptConfig,
            "ask": AskConfig,
            "resources": Resources,
        }
        raise UserError(explain(path, error, models)) from None


def read_settings(path: Path) -> dict[str, Any]:
    """What a YAML or JSON file holds, not yet checked. Raises UserError."""
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"config file {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"config file {path} is neither YAML nor JSON: {error}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"config file {path} must hold `key: value` lines, not a {type(settings).__name__}")
    return {str(key): value for key, value in settings.items()}


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, sections key by key; what is none where one belongs stays, to be refused."""
    both = {**below, **above}
    for key, section in above.items():
        if isinstance(section, dict) and below.get(key) is not None:
            both[key] = {**below[key], **section} if isinstance(below[key], dict) else below[key]
    return both


def given(overrides: dict[str, Any]) -> dict[str, Any]:
    """Without what the command line leaves open, None, and without sections that it leaves open."""
    sections = {key: given(value) if isinstance(value, dict) else value for key, value in overrides.items()}
    return {key: value for key, value in sections.items() if value not in (None, {})}


def explain(path: Path | None, error: ValidationError, models: dict[str, type[Config]]) -> str:
    """One line on what is wrong with the settings; `models` holds each section's, the whole under ""."""
    where = f"config file {path}" if path else "the settings"
    problems = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            problems.append(f"unknown key `{key}`{_known_keys(problem['loc'], models)}")
        elif problem["type"] == "value_error":  # says all there is to say
            said = problem["msg"].removeprefix("Value error, ")
            problems.append(f"`{key}`: {said}" if key else said)
        else:
            problems.append(f"`{key}`: {problem['msg']}, not {problem['input']!r}")
    return f"{where}: " + "; ".join(problems)


def _known_keys(location: tuple[int | str, ...], models: dict[str, type[Config]]) -> str:
    model = models.get(str(location[0]) if len(location) > 1 else "")
    return f" (known: {', '.join(model.model_fields)})" if model and len(location) <= 2 else ""
