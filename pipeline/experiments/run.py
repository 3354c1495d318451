"""One experiment from the official files to its table: check, train, caption or ask, evaluate, compare.

OUTPUT/bundles/TEXTS/       the adaptor, shared by the experiments that train on these captions
OUTPUT/NAME/images.json     the images of the benchmark: SOURCE of the run
OUTPUT/NAME/run/            the run folder
OUTPUT/NAME/evaluation.json, results.json, results.txt, results.md      last
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from maccap.config import ClipSource, Config, LanguageModelSource
from pipeline.caption import caption_archive
from pipeline.evaluate.evaluate import Settings, evaluate, joined_captions
from pipeline.evaluate.references import Fields
from pipeline.evaluate.registry import MetricOptions, metrics
from pipeline.evaluate.report import join_lines
from pipeline.evaluate.result import Evaluation
from pipeline.experiments import registry
from pipeline.experiments.checklist import Checklist
from pipeline.experiments.registry import Experiment
from pipeline.experiments.table import Results, results, written
from pipeline.run.config import CaptionJobConfig
from pipeline.storage.folder import Folder
from pipeline.texts import TextConfig, load_captions
from pipeline.train.config import TrainJobConfig
from pipeline.train.run import train_bundle
from pipeline.train.towers import choose_towers

Say = Callable[[str], object]


class Changes(Config):
    """What a person may set in place of the authors' settings; the table says so."""

    clip: ClipSource = registry.CLIP
    llm: LanguageModelSource = registry.LANGUAGE_MODEL
    epochs: float | None = Field(default=None, gt=0)
    limit: int | None = Field(default=None, ge=1)

    def told(self, experiment: Experiment) -> list[str]:
        """Each setting that is not the authors'."""
        epochs = experiment.texts.epochs
        changed = {
            f"CLIP: {self.clip.name}": self.clip != registry.CLIP,
            f"language model: {self.llm.name}": self.llm != registry.LANGUAGE_MODEL,
            f"epochs: {self.epochs or epochs:g} in place of {epochs:g}": self.epochs not in (None, epochs),
            f"images: only the first {self.limit}": self.limit is not None,
        }
        return [line for line, is_changed in changed.items() if is_changed]


@dataclass(frozen=True)
class _Places:
    """Where an experiment writes."""

    output: Path
    experiment: Experiment

    @property
    def bundle(self) -> str:
        return str(self.output / "bundles" / self.experiment.texts.name)

    @property
    def own(self) -> Folder:
        return Folder(str(self.output / self.experiment.name))

    def of(self, name: str) -> str:
        return str(self.output / self.experiment.name / name)


def run_experiment(
    checklist: Checklist, output: Path, changes: Changes, local: bool = False, say: Say = lambda line: None
) -> Results:
    """Do what is not done yet, and write the table. Each step resumes where it was stopped.

    Raises UserError where something is missing, before anything starts, and where OUTPUT was begun with other
    settings; RunError where a step breaks.
    """
    checklist.require()
    places = _Places(output.absolute(), checklist.experiment)
    places.own.make()
    _train(checklist, places, changes, local, say)
    _caption(checklist, places, changes, local, say)
    evaluation = _evaluate(checklist, places, say)
    found = results(checklist.experiment, evaluation, changes.told(checklist.experiment))
    for name, text in written(found).items():
        places.own.write(name, text.encode())
    places.own.write("evaluation.json", evaluation.model_dump_json().encode())
    return found


def train_settings(experiment: Experiment, epochs: float | None = None) -> TrainJobConfig:
    """The authors', with other `epochs` where they are given. They hold no captions out."""
    return TrainJobConfig(
        training=registry.TRAINING,
        noise_variance=registry.NOISE_VARIANCE,
        decoding=registry.DECODING,
        epochs=epochs or experiment.texts.epochs,
        held_out=0,
    )


def _train(checklist: Checklist, places: _Places, changes: Changes, local: bool, say: Say) -> None:
    texts = checklist.experiment.texts
    say(f"training on the captions of {texts.file.name}, into {places.bundle}")
    captions = load_captions([str(checklist.files[texts.file])], TextConfig(splits=texts.splits))
    for line in captions.summary():
        say(line)
    towers = choose_towers(None, changes.clip.name, changes.clip.pretrained, changes.llm.name)
    settings = train_settings(checklist.experiment, changes.epochs)
    train_bundle(captions, places.bundle, towers, settings, local=local)


def _caption(checklist: Checklist, places: _Places, changes: Changes, local: bool, say: Say) -> None:
    benchmark = checklist.experiment.benchmark
    listed = {"images": [{"file_name": name} for name in checklist.images]}
    places.own.write("images.json", json.dumps(listed).encode())
    asked = benchmark.answers is not None
    settings = CaptionJobConfig(
        tasks=("ask",) if asked else ("caption",),
        questions_file=str(checklist.files[benchmark.listing]) if asked else None,
        image_root=str(checklist.files[benchmark.images]),
        limit=changes.limit,
    )
    caption_archive(places.of("images.json"), places.of("run"), places.bundle, settings, say=say, local=local)


def _evaluate(checklist: Checklist, places: _Places, say: Say) -> Evaluation:
    benchmark, files = checklist.experiment.benchmark, checklist.files
    if benchmark.answers is not None:
        settings = Settings()
        options = MetricOptions(answers=str(files[benchmark.answers]))
    else:
        settings = Settings(str(files[benchmark.listing]), Fields(splits=benchmark.splits))
        options = MetricOptions()
    runs = joined_captions([places.of("run")], settings)
    for captions, joined in runs:
        for line in join_lines(captions.run, joined) if joined else ():
            say(line)
    return evaluate(runs, metrics(options), settings)
