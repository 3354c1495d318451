"""Typed configuration of a model bundle and of decoding. Plain data: no torch, no I/O."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

REGION_WEIGHT = 1.5  # of a region beside the global feature, where it is captioned


class Config(BaseModel):
    """Immutable settings; an unknown key is an error, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_before(config: Config, told: dict[str, Any], name: str, before: object) -> dict[str, Any]:
    """What is `told` of `config`, without a setting that earlier versions did not have where it is as they
    did it: fingerprints, footers and bundles stay what they were.
    """
    if getattr(config, name) == before == type(config).model_fields[name].default:
        told.pop(name, None)
    return told


class ClipSource(Config):
    """A CLIP as open_clip names it (`ViT-B-32-quickgelu` + `openai`), or a folder, also of the bundle."""

    name: str = Field(description="open_clip's name, or a folder")
    pretrained: str | None = Field(default=None, description="open_clip's tag of its weights")


class LanguageModelSource(Config):
    """A causal language model as Hugging Face names it, or a local folder or bundle-relative path."""

    name: str = Field(description="Hugging Face's name, or a folder")


class RegionConfig(Config):
    """Sub-region aggregation (paper: sub-region feature aggregation)."""

    count: int = Field(default=10, ge=1, description="N, regions per image")
    weighting: Literal["softmax", "attention", "none"] = Field(
        default="softmax",
        description="softmax: of the attention row, as the authors do; attention: the row itself; none: "
        "the global feature alone",
    )
    patch_weight: float = Field(default=1.0, description="of a region, beside the global feature")
    text: Literal["repeat", "phrases"] = Field(
        default="repeat",
        description="what training reads in their place. repeat: the caption each time, as the authors do; "
        "phrases: the caption and one of its parts",
    )

    @model_serializer(mode="wrap")
    def _without_newer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _as_before(self, dump(self), "text", "repeat")

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if self.text == "phrases" and self.weighting == "none":
            raise ValueError("text: phrases is for images with regions, and weighting: none has none")
        return self


class AdaptorConfig(Config):
    """Sizes of the adaptor; `clip_dim` and `llm_dim` must match the two frozen models."""

    clip_dim: int = Field(ge=1, description="D, CLIP's embedding size")
    llm_dim: int = Field(ge=1, description="H, the language model's embedding size")
    queries: int = Field(default=32, ge=1, description="Q, vectors of the prefix")
    layers: int = Field(default=1, ge=1, description="of the transformer decoder")
    heads: int = Field(default=8, ge=1, description="of its attention")
    feedforward: int = Field(default=2048, ge=1, description="its hidden size")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="in training")
    input_scale: float = Field(
        default=1.0,
        gt=0,
        description="1 as in the authors' code; sqrt(clip_dim) trains a small adaptor faster",
    )


class TrainingConfig(Config):
    """Text-only training of the adaptor (paper: text reconstruction training)."""

    steps: int = Field(default=10_000, ge=1, description="of the optimiser")
    batch: int = Field(default=64, ge=1, description="captions per step, over all workers")
    accumulate: int = Field(
        default=1, ge=1, description="parts that a worker takes its fraction of a batch in"
    )
    learning_rate: float = Field(default=1e-4, gt=0, description="its peak, after the warm-up")
    warmup: int = Field(default=200, ge=0, description="steps of a linear rise, before the cosine")
    weight_decay: float = Field(default=0.01, ge=0, description="of AdamW")
    gradient_clip: float = Field(default=1.0, gt=0, description="the largest norm of a step's gradient")
    max_tokens: int = Field(default=25, ge=3, description="text tokens per caption, BOS and EOS included")
    bfloat16: bool = Field(
        default=False, description="autocast, where the processor has bf16 products; float32 elsewhere"
    )
    seed: int = Field(default=0, description="of weights, order and noise")


class DecodingConfig(Config):
    """How candidates are decoded. K candidates share noise draws in groups of `samples_per_draw`.

    The samples of one draw differ for strategy `sample`, are the best hypotheses for `beam`, equal for
    `greedy`.
    """

    candidates: int = Field(default=10, ge=1, description="K, candidates per image")
    samples_per_draw: int = Field(default=1, ge=1, description="candidates that share a draw of noise")
    strategy: Literal["greedy", "sample", "beam"] = Field(default="sample", description="of decoding")
    max_new_tokens: int = Field(default=20, ge=1, description="of a candidate, at most")
    temperature: float = Field(default=1.0, gt=0, description="of sampling")
    top_p: float = Field(default=1.0, gt=0, le=1, description="1 keeps the whole vocabulary")
    top_k: int = Field(default=0, ge=0, description="0 keeps the whole vocabulary")
    beams: int = Field(default=4, ge=1, description="used by the beam strategy alone")
    length_penalty: float = Field(
        default=1.0,
        description="of the beam strategy: the power of a text's length that its log-probability is divided "
        "by; 1 is the mean, below 0 prefers short texts",
    )

    @model_serializer(mode="wrap")
    def _without_newer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _as_before(self, dump(self), "length_penalty", 1.0)

    @property
    def draws(self) -> int:
        """Noise draws per image."""
        return self.candidates // self.samples_per_draw

    def with_draws(self, most: int) -> Self:
        """The same with fewer candidates: those of so many draws at most."""
        several = min(self.draws, most) * self.samples_per_draw
        return self.model_copy(update={"candidates": several})

    @property
    def rows_per_draw(self) -> int:
        """Rows that the language model holds for one draw."""
        return {"greedy": 1, "sample": self.samples_per_draw, "beam": self.beams}[self.strategy]

    @model_validator(mode="after")
    def _check_samples(self) -> Self:
        if self.candidates % self.samples_per_draw:
            raise ValueError(
                f"candidates ({self.candidates}) must be a multiple of "
                f"samples_per_draw ({self.samples_per_draw})"
            )
        if self.strategy == "beam" and self.samples_per_draw > self.beams:
            raise ValueError(f"samples_per_draw ({self.samples_per_draw}) cannot exceed beams ({self.beams})")
        return self


PAPER_DECODING = DecodingConfig(strategy="beam", beams=4, max_new_tokens=16)
"""The authors' evaluation: 4 beams of 16 tokens for each of the candidates."""

PAPER_NOISE_VARIANCE = 0.016
"""Of the authors' region noise, in each of D = 512 dimensions."""

DECODING_PRESETS = {
    "paper": PAPER_DECODING,
    "sampled": DecodingConfig(strategy="sample", top_p=0.9, max_new_tokens=20),
}
"""Decoding by name. `sampled` takes a fraction of the time of `paper`, and its candidates differ more."""


def decoding_preset(name: str) -> dict[str, Any]:
    """The settings of a preset. Raises ValueError for another name."""
    if name not in DECODING_PRESETS:
        raise ValueError(f"decoding {name!r} is none of {', '.join(DECODING_PRESETS)}")
    return DECODING_PRESETS[name].model_dump()


QUESTION = "Question: {question} Short answer:"
"""What a language model is asked with, after the prefix (paper: zero-shot VQA)."""


class AnswerDecoding(DecodingConfig):
    """By default the authors' zero-shot VQA: one noise draw, 5 beams of 10 tokens, short answers preferred.
    `candidates` are the answers drawn for a question, of which one is kept.
    """

    candidates: int = Field(default=1, ge=1)
    strategy: Literal["greedy", "sample", "beam"] = "beam"
    max_new_tokens: int = Field(default=10, ge=1)
    beams: int = Field(default=5, ge=1)
    length_penalty: float = -1.0


class AskConfig(Config):
    """How an image is asked (paper: zero-shot VQA)."""

    template: str = Field(default=QUESTION, description="the prompt; {question} stands for the question")
    capitalise: bool = Field(
        default=True,
        description="begin each question with a capital, as those of VQA's data sets do: small language "
        "models answer others badly",
    )
    decoding: AnswerDecoding = Field(default=AnswerDecoding(), description="of answers")
    keep: Literal["vote", "likeliest"] = Field(
        default="vote",
        description="of several answers drawn, the one that most of them are, or the likeliest",
    )
    answers: tuple[str, ...] = Field(
        default=(), description="the answers allowed: the likeliest of them is kept; none: any text"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if "{question}" not in self.template:
            raise ValueError("template must say where the question goes: {question}")
        if any(not answer.strip() for answer in self.answers):
            raise ValueError("answers must not be empty texts")
        if len(set(self.answers)) < len(self.answers):
            raise ValueError("answers must be distinct")
        return self

    def prompt(self, question: str) -> str:
        """The text that follows the prefix."""
        asked = " ".join(question.split())
        if self.capitalise:
            asked = asked[:1].upper() + asked[1:]
        return self.template.replace("{question}", asked)

    def before_answer(self) -> str:
        """The end of every prompt."""
        return self.template.rpartition("{question}")[2]


class PromptConfig(Config):
    """What a caption begins with, after the prefix."""

    text: str = Field(min_length=1, description="for instance: A photo of")
    template: str = Field(default="{prompt}", description="what the language model reads; {prompt} is `text`")
    keep: bool = Field(default=True, description="whether the text counts as part of the caption")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.template.endswith("{prompt}"):
            raise ValueError("template must end with {prompt}, which the caption goes on from")
        return self

    def prompt(self) -> str:
        """The text that follows the prefix."""
        return self.template.replace("{prompt}", self.text)


class MemoryConfig(Config):
    """Projection of images onto the training captions' features (DeCap), in place of noise and regions."""

    size: int = Field(default=20_000, ge=1, description="training captions kept, drawn at random")
    temperature: float = Field(default=0.01, gt=0, description="of the softmax over the memory")


class GapConfig(Config):
    """Correction of the gap between images and texts, before the adaptor (`maccap adapt`)."""

    images: int = Field(ge=1, description="it was learned with")
    captions: int | None = Field(
        default=None, description="of training, it was learned with; None: each dimension by itself"
    )
    rounds: int = Field(default=0, ge=0, description="of its own captions, it was learned with")

    @model_serializer(mode="wrap")
    def _without_newer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _as_before(self, _as_before(self, dump(self), "captions", None), "rounds", 0)


class RerankConfig(Config):
    """Which candidate becomes the caption; the paper's is the one whose cosine with the image is highest."""

    closed_gap: bool = Field(
        default=False,
        description="also add the cosine with the gap-corrected image, where the bundle has a correction "
        "(`maccap adapt`)",
    )
    logprob_weight: float = Field(
        default=0.0,
        ge=0,
        allow_inf_nan=False,
        description="of a candidate's log-probability, in nats, added to the cosines",
    )


class NoiseCovarianceConfig(Config):
    """Region noise that is not the same in every direction, but varies as differences that were measured."""

    of: Literal["pairs", "paraphrases"] = Field(
        description="pairs: of images and their captions; paraphrases: of captions of the same image"
    )
    differences: int = Field(ge=2, description="it was measured on")


NoiseShared = Annotated[
    float | None,
    Field(
        ge=0,
        le=1,
        description="of the variance, the fraction that an image's regions have in common; None: each is "
        "drawn by itself",
    ),
]


class BundleConfig(Config):
    """`config.json` of a bundle: its frozen models, sizes, decoding defaults, and what it was trained on."""

    format: Literal["maccap-bundle-1"] = "maccap-bundle-1"
    clip: ClipSource = Field(description="the frozen CLIP")
    llm: LanguageModelSource = Field(description="the frozen language model")
    adaptor: AdaptorConfig = Field(description="the adaptor's sizes")
    regions: RegionConfig = Field(default=RegionConfig(), description="what the adaptor reads of an image")
    noise_variance: float = Field(
        default=PAPER_NOISE_VARIANCE, ge=0, description="of training, in each dimension"
    )
    inference_noise_variance: float | None = Field(
        default=None, ge=0, description="of captioning; None: that of training; 0 as in CapDec"
    )
    noise_shared: NoiseShared = None
    noise_covariance: NoiseCovarianceConfig | None = Field(
        default=None, description="of training and captioning; None: the same in every direction"
    )
    memory: MemoryConfig | None = Field(default=None, description="DeCap's projection, in place of noise")
    gap: GapConfig | None = Field(default=None, description="correction before the adaptor; None: as trained")
    decoding: DecodingConfig = Field(default=DecodingConfig(), description="unless a run says otherwise")
    rerank: RerankConfig = Field(default=RerankConfig(), description="which candidate becomes the caption")
    training: TrainingConfig | None = Field(default=None, description="how the adaptor was trained")
    training_data: str | None = Field(
        default=None, description="fingerprint of the captions the adaptor was trained on"
    )

    @model_serializer(mode="wrap")
    def _without_newer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told = dump(self)
        for name in ("inference_noise_variance", "noise_shared", "noise_covariance", "gap"):
            told = _as_before(self, told, name, None)
        return _as_before(self, told, "rerank", RerankConfig())

    @property
    def captioning_noise(self) -> float:
        """Variance of the noise that candidates are drawn with."""
        told = self.inference_noise_variance
        return self.noise_variance if told is None else told

    def to_json(self, indent: int | None = None) -> str:
        """As `config.json` holds it, and as fingerprints know it."""
        return self.model_dump_json(indent=indent)
