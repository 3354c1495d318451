"""What decides a caption table: the facts in `run.json`, and in the footer of every file of the table."""

from typing import Annotated, Any, ClassVar, Self

import pyarrow as pa
from pydantic import BeforeValidator, Field

from maccap.config import AskConfig, DecodingConfig, PromptConfig
from maccap.image.preprocessing import PixelSpec
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.join.image_names import NameRule
from pipeline.run.record import Facts
from pipeline.sources.options import SourceOptions
from pipeline.stages.decoding.decode_image import Colour, DecodeLimits
from pipeline.stages.registry import STAGES
from pipeline.stages.stage import ExistingCaptions, ScoreHeadFile, Stage, StageSettings
from pipeline.stages.steps import table_schema
from pipeline.stages.torch_runtime import Precision
from pipeline.storage.redact import redacted

_OF_0_1_0 = ("decode", "features", "candidates", "rerank")


def _as_asked(found: Any) -> Any:
    """Version 0.3.0 put questions as they were written."""
    return {"capitalise": False, **found} if isinstance(found, dict) else found


class RunFacts(Facts, SourceOptions):
    """What decides the caption table. A resume must agree on all but `model` (its URL), `version`, what
    SOURCE was `taken_for` and had `left_out` as the run began, where questions and score heads lay, and the
    promise of `same_caption`, which are for people. Defaults are what earlier versions did, whose runs do
    not say.
    """

    may_differ: ClassVar[tuple[str, ...]] = (
        *("model", "version", "taken_for", "left_out", "same_caption", "features_fingerprint"),
        *("questions_file", "score_heads"),
    )

    source: str
    taken_for: str = ""
    left_out: dict[str, int] = Field(default_factory=dict)
    model: str
    model_fingerprint: str
    engine: str = DEFAULT_ENGINE
    stages: tuple[str, ...] = _OF_0_1_0
    decoding: DecodingConfig
    prompt: PromptConfig | None = None
    existing_caption: str | None = None
    only_missing: bool = False
    only_below: float | None = None
    asking: Annotated[AskConfig | None, BeforeValidator(_as_asked)] = None
    questions: tuple[str, ...] = ()
    questions_file: str | None = None
    questions_fingerprint: str | None = None
    join_on: NameRule | None = None
    score_heads: dict[str, str] = Field(default_factory=dict)
    score_head_fingerprints: dict[str, str] = Field(default_factory=dict)
    seed: int
    chunk_rows: int
    chunk_bytes: int
    max_pixels: int
    limit: int | None = None
    keep_features: bool = False
    region_captions: int = 0
    region_weight: float | None = None  # where regions are captioned; 2 up to version 0.9.0
    max_bytes: int
    accept_truncated: bool
    reduce_jpegs: bool = False
    colour: Colour = "ignored"
    features_fingerprint: str | None = None
    precision: Precision
    candidate_batch: int | None = None  # where it decides captions: in half precision
    same_caption: str = ""
    version: str

    @property
    def existing(self) -> ExistingCaptions | None:
        """What is done about captions that images came with."""
        if self.existing_caption is None:
            return None
        return ExistingCaptions(self.existing_caption, self.only_missing, self.only_below)

    @property
    def requests(self) -> frozenset[str]:
        """The settings of this run that ask for more columns."""
        return frozenset({"keep_features"} if self.keep_features else ())

    def table_schema(self, stages: tuple[type[Stage], ...] = STAGES) -> pa.Schema:
        """Of the caption table that the run's stages make, of those that there are."""
        return table_schema([stage for stage in stages if stage.name in self.stages], self.requests)

    def stage_settings(
        self,
        pixels: PixelSpec,
        *,
        decode_seconds: float = DecodeLimits.seconds,
        feature_batch: int = 64,
        rerank_batch: int = 64,
        candidate_batch: int | None = None,
        question_store: str | None = None,
    ) -> StageSettings:
        """What the stages need to know of this run, for a CLIP that expects `pixels`; the rest decides no
        caption, but for `candidate_batch` where the facts name it.
        """
        limits = DecodeLimits(
            self.max_pixels,
            decode_seconds,
            self.accept_truncated,
            self.reduce_jpegs,
            embedded_colours=self.colour == "embedded",
        )
        return StageSettings(
            model=self.model,
            pixels=pixels,
            decoding=self.decoding,
            seed=self.seed,
            limits=limits,
            engine=self.engine,
            prompt=self.prompt,
            asking=self.asking or AskConfig(),
            questions=self.questions,
            question_store=question_store if self.questions_fingerprint else None,
            existing=self.existing,
            score_heads={
                name: ScoreHeadFile(self.score_heads[name], sha256)
                for name, sha256 in self.score_head_fingerprints.items()
            },
            region_captions=self.region_captions,
            feature_batch=feature_batch,
            candidate_batch=self.candidate_batch or candidate_batch,
            rerank_batch=rerank_batch,
        )

    def for_footer(self) -> dict[str, Any]:
        """The facts that belong in each file: not where things lay, so that a file is the same on any
        machine; and of what version 0.1.0 had not, only what is other than it was then.
        """
        people = {"source", "taken_for", "left_out", "same_caption", "model", "image_root", "questions_file"}
        people |= {"score_heads"}
        newer: dict[str, Any] = {"engine": DEFAULT_ENGINE, "stages": _OF_0_1_0, "questions": ()}
        newer |= {"only_missing": False, "only_below": None, "existing_caption": None}
        newer |= {"score_head_fingerprints": {}, "region_captions": 0}
        newer |= dict.fromkeys(("prompt", "asking", "questions_fingerprint", "join_on", "region_weight"))
        as_before = {name for name, then in newer.items() if getattr(self, name) == then}
        return self.model_dump(mode="json", exclude=people | as_before)

    def public(self) -> Self:
        return self.model_copy(
            update={
                "source": redacted(self.source),
                "model": redacted(self.model),
                "image_root": redacted(self.image_root) if self.image_root else None,
                "questions_file": redacted(self.questions_file) if self.questions_file else None,
                "score_heads": {name: redacted(url) for name, url in self.score_heads.items()},
            }
        )
