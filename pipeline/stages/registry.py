"""The stages there are. A new one is a class in a file of its own, and a line here."""

from collections.abc import Collection

from pipeline.stages.answers import AnswerStage
from pipeline.stages.candidates import CandidateStage
from pipeline.stages.decode import DecodeStage
from pipeline.stages.existing_caption import ExistingCaptionStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.flags import FlagStage
from pipeline.stages.hashes import HashStage
from pipeline.stages.questions import QuestionStage
from pipeline.stages.region_captions import RegionCaptionStage
from pipeline.stages.rerank import RerankStage
from pipeline.stages.score_heads import ScoreHeadStage
from pipeline.stages.stage import Stage, Task

STAGES: tuple[type[Stage], ...] = (
    DecodeStage,
    HashStage,
    FeatureStage,
    ScoreHeadStage,
    ExistingCaptionStage,
    CandidateStage,
    RerankStage,
    RegionCaptionStage,
    FlagStage,
    QuestionStage,
    AnswerStage,
)


def stages_of(tasks: Collection[Task], requests: Collection[str] = ()) -> tuple[type[Stage], ...]:
    """Those that a run of `tasks` may need; `requests` are its settings that ask for more."""
    return tuple(
        stage
        for stage in STAGES
        if stage.task in (None, *tasks) and (stage.setting is None or stage.setting in requests)
    )
