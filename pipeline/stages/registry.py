"""The stages of captioning. A new one is a class in a file of its own, and a line here."""

from pipeline.stages.candidates import CandidateStage
from pipeline.stages.decode import DecodeStage
from pipeline.stages.features import FeatureStage
from pipeline.stages.rerank import RerankStage
from pipeline.stages.stage import Stage

STAGES: tuple[type[Stage], ...] = (
    DecodeStage,
    FeatureStage,
    CandidateStage,
    RerankStage,
)
