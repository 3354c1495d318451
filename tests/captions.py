"""The caption table of the stages that there are."""

from pipeline.stages.registry import STAGES
from pipeline.stages.steps import table_schema

CAPTION_SCHEMA = table_schema(STAGES)
