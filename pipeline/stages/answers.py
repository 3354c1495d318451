"""Answers to the questions of a chunk's images (paper: zero-shot VQA)."""

from typing import Self

import pyarrow as pa

from maccap.bundle import Bundle
from maccap.config import AskConfig
from maccap.text.engines import DEFAULT_ENGINE
from pipeline.chunk import Column, spread, valid_rows
from pipeline.formats.array_columns import read_half
from pipeline.stages.resources import Machine, StageResources, language_model_resources
from pipeline.stages.stage import Stage, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime

ANSWER = pa.struct(
    [
        ("question_id", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("logprob", pa.float32()),
    ]
)


class AnswerStage(Stage):
    """An answer depends on seed, image id and question alone, never on a row's neighbours."""

    name = "answers"
    title = "adaptor and language model, asked"
    task = "ask"
    needs = ("image_id", "features", "questions")
    adds = (
        Column(
            "answers",
            pa.list_(ANSWER),
            "one answer to each question, in their order, and its log-probability; null for a question that "
            "is longer than the language model reads",
        ),
    )
    keeps = ("answers",)
    has_weights = True

    @classmethod
    def default_resources(cls, machine: Machine) -> StageResources:
        return language_model_resources(machine)

    @classmethod
    def build(cls, settings: StageSettings, runtime: TorchRuntime) -> Self:
        return cls(
            settings.model, runtime, settings.asking, settings.seed, settings.candidate_batch, settings.engine
        )

    def __init__(
        self,
        model: str,
        runtime: TorchRuntime,
        asking: AskConfig,
        seed: int,
        batch: int | None,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        from maccap.answerer import Answerer

        device, dtype = runtime.apply()
        bundle = Bundle.open(model)
        self.dim = bundle.config.adaptor.clip_dim
        self.answer = Answerer(bundle.load_sampler(device, dtype, engine))
        self.asking = asking
        self.seed = seed
        self.batch_rows = batch and batch * asking.decoding.draws * asking.decoding.rows_per_draw

    def __call__(self, samples: pa.Table) -> pa.Table:
        rows = valid_rows(samples)
        answers = self._answers(samples, rows) if rows else []
        column = pa.array(spread(answers, rows, samples.num_rows), pa.list_(ANSWER))
        return samples.append_column("answers", column)

    def _answers(self, samples: pa.Table, rows: list[int]) -> list[list[dict[str, object]]]:
        import torch

        ids, asked = samples["image_id"].to_pylist(), samples["questions"].to_pylist()
        features = torch.from_numpy(read_half(samples["features"], rows)).unflatten(1, (-1, self.dim))
        answered = self.answer(
            features,
            [ids[row] for row in rows],
            [[one["question"] for one in asked[row]] for row in rows],
            self.seed,
            self.asking,
            batch_rows=self.batch_rows,
        )
        return [
            [
                {**one, "answer": answer.text, "logprob": answer.logprob}
                for one, answer in zip(asked[row], of_image, strict=True)
            ]
            for row, of_image in zip(rows, answered, strict=True)
        ]
