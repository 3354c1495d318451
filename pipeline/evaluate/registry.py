"""All metrics. To add one, write its module (see `metric.py`) and add its line here."""

from dataclasses import dataclass

from maccap.config import ClipSource
from pipeline.evaluate.chair_metric import ChairMetric
from pipeline.evaluate.clip_scores import ClipScores
from pipeline.evaluate.coco_metrics import CocoMetrics
from pipeline.evaluate.diversity import Diversity
from pipeline.evaluate.metric import Metric
from pipeline.evaluate.vqa_metric import VqaMetric

RUN_CLIP = "run"
"""In place of a CLIP's name: that of the run's own bundle."""


@dataclass(frozen=True)
class MetricOptions:
    """What a person may say about metrics. `clip` and `instances` are left out where they are not named."""

    spice: bool = False
    clip: str | None = None
    clip_pretrained: str | None = None
    instances: str | None = None
    synonyms: str | None = None
    answers: str | None = None


def metrics(options: MetricOptions) -> list[Metric]:
    """Those that are asked for, in the order of the report. Raises UserError for a file that is not right."""
    chosen: list[Metric] = [CocoMetrics(options.spice)]
    if options.clip == RUN_CLIP:
        chosen.append(ClipScores(None))
    elif options.clip is not None:
        chosen.append(ClipScores(ClipSource(name=options.clip, pretrained=options.clip_pretrained)))
    if options.instances is not None:
        chosen.append(ChairMetric(options.instances, options.synonyms))
    chosen += [VqaMetric(options.answers), Diversity()]
    return chosen
