"""Questions about an image, answered zero-shot (paper: zero-shot VQA): the prefix of a caption, then the
question as a prompt.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, groupby
from typing import NamedTuple

import torch
from torch import Tensor

from maccap.config import AskConfig
from maccap.runtime.fitting_batch import FittingBatch
from maccap.runtime.fixed_rows import filled
from maccap.sampler import CandidateSampler
from maccap.text.engine import DecodingEngine, DrawKey

_BLOCK = 64  # prefixes that the adaptor makes at once


class Answer(NamedTuple):
    """A question's answer, and the log-probability of its tokens (see `maccap.text.engine.Decoded`); of one
    of a list of answers, that it and then the end token follow. Both are None for a question that is longer
    than the language model reads.
    """

    question: str
    text: str | None
    logprob: float | None


class _Drawn(NamedTuple):
    text: str
    logprob: float


class _Job(NamedTuple):
    """One decode: a question (its tokens, BOS included) about image `row`, with one draw of noise."""

    row: int
    question: str
    prompt_ids: list[int]
    draw: int


class Answerer:
    """Answers with the parts that caption: `sampler`'s adaptor and decoding engine."""

    def __init__(self, sampler: CandidateSampler) -> None:
        self.sampler = sampler
        self._batch = FittingBatch()

    @torch.no_grad()
    def __call__(
        self,
        features: Tensor,
        image_ids: Sequence[str],
        questions: Sequence[Sequence[str]],
        seed: int,
        asking: AskConfig,
        *,
        batch_rows: int | None = None,
    ) -> list[list[Answer]]:
        """The answers to the `questions` of each row of `features` [R, N, D] (global plus regions, before
        noise), in their order.

        For each draw of noise an image passes the adaptor once, and the language model reads its prefix once,
        however many questions it has. Noise is keyed
        as a caption's, sampling by the question too: no other row or question affects an answer. Batches are
        as in `CandidateSampler`. Raises as it does.
        """
        if not len(features) == len(image_ids) == len(questions):
            raise ValueError(
                f"{len(features)} rows of features, but {len(image_ids)} image ids and questions of "
                f"{len(questions)} images"
            )
        answers: list[dict[str, Answer]] = [{} for _ in image_ids]
        adaptor, draws = self.sampler.adaptor.config, asking.decoding.draws
        asked = [row for row, some in enumerate(questions) if some]
        step = max(1, self.sampler.engine.prefixes_held(adaptor.queries) // draws)
        for start in range(0, len(asked), step):
            rows = asked[start : start + step]
            jobs = self._jobs(rows, questions, asking)
            about = _Images(self.sampler, features, image_ids, rows, seed, asking)
            for (row, question), drawn in self._drawn(about, jobs, asking, batch_rows):
                answers[row][question] = Answer(question, *_kept(drawn, asking))
        unread = None, None
        return [
            [found.get(question, Answer(question, *unread)) for question in some]
            for found, some in zip(answers, questions, strict=True)
        ]

    def _jobs(self, rows: Sequence[int], questions: Sequence[Sequence[str]], asking: AskConfig) -> list[_Job]:
        """In the order of their prompts' lengths: rows that are decoded together are equally long."""
        engine, decoding = self.sampler.engine, asking.decoding
        allowed = allowed_ids(engine, asking)
        longest = max([len(ids) + 1 for ids in allowed], default=decoding.max_new_tokens)
        room = self.sampler.room(longest)
        prompts = {text: engine.prompt_ids(asking.prompt(text)) for row in rows for text in questions[row]}
        jobs = [
            _Job(row, question, prompts[question], draw)
            for row in rows
            for question in dict.fromkeys(questions[row])
            for draw in range(decoding.draws)
            if room is None or len(prompts[question]) <= room
        ]
        return sorted(jobs, key=lambda job: len(job.prompt_ids))

    def _drawn(
        self, about: "_Images", jobs: Sequence[_Job], asking: AskConfig, batch_rows: int | None
    ) -> Iterator[tuple[tuple[int, str], list[_Drawn]]]:
        """For each question what its draws say."""
        halve = not self.sampler.engine.fixed_rows
        for length, group in groupby(jobs, key=lambda job: len(job.prompt_ids)):
            alike = list(group)
            size = self.sampler.draws_at_once(asking.decoding, length, batch_rows)
            batches = self._batch.over(len(alike), size, partial(about.answers, alike, size), halve)
            answered = zip(alike, chain.from_iterable(batches), strict=True)
            for owner, same in groupby(answered, key=lambda pair: (pair[0].row, pair[0].question)):
                yield owner, [one for _, drawn in same for one in drawn]


class _Images:
    """Some images that are asked together: their prefixes, and what is fixed for all of their questions."""

    def __init__(
        self,
        sampler: CandidateSampler,
        features: Tensor,
        image_ids: Sequence[str],
        rows: Sequence[int],
        seed: int,
        asking: AskConfig,
    ) -> None:
        self.engine, self.image_ids, self.seed, self.asking = sampler.engine, image_ids, seed, asking
        draws = [(row, draw) for row in rows for draw in range(asking.decoding.draws)]
        keys = [DrawKey(seed, image_ids[row], draw) for row, draw in draws]
        prefixes = _in_blocks(sampler, features, [row for row, _ in draws], keys)
        self.prefixes = self.engine.read(prefixes)
        self.places = {draw: place for place, draw in enumerate(draws)}
        self.allowed = allowed_ids(self.engine, asking)

    def answers(self, alike: list[_Job], size: int, part: slice) -> list[list[_Drawn]]:
        """What each of the jobs in `part` says; where rows are fixed, decoded as if they were `size`."""
        asked = alike[part]
        jobs = filled(asked, size) if self.engine.fixed_rows and not self.allowed else asked
        places = [self.places[job.row, job.draw] for job in jobs]
        prompt_ids = [job.prompt_ids for job in jobs]
        if self.allowed:
            scores = self.engine.logprobs(self.prefixes[places], prompt_ids, self.allowed)
            return [[_likeliest(list(map(_Drawn, self.asking.answers, row)))] for row in scores]
        keys = [DrawKey(self.seed, f"{self.image_ids[job.row]}\0{job.question}", job.draw) for job in jobs]
        prefixes, decoding = self.prefixes[places], self.asking.decoding
        decoded = self.engine.generate(prefixes, prompt_ids, decoding, keys)[: len(asked)]
        return [
            [_Drawn(self.engine.text(text.token_ids, first_line=True), text.logprob) for text in texts]
            for texts in decoded
        ]


def allowed_ids(engine: DecodingEngine, asking: AskConfig) -> list[list[int]]:
    """The tokens of each answer that is allowed."""
    before = asking.before_answer()
    return [_continuation(engine, before, answer) for answer in asking.answers]


def _in_blocks(sampler: CandidateSampler, features: Tensor, rows: list[int], keys: list[DrawKey]) -> Tensor:
    """Prefixes of `rows`, always so many at a time: how many images are asked must not show in their bits."""
    blocks = []
    for start in range(0, len(rows), _BLOCK):
        some, own = rows[start : start + _BLOCK], keys[start : start + _BLOCK]
        prefixes = sampler.prefixes(features, filled(some, _BLOCK), filled(own, _BLOCK))
        blocks.append(prefixes[: len(some)])
    return torch.cat(blocks)


def _continuation(engine: DecodingEngine, before: str, text: str) -> list[int]:
    """The tokens of `text` behind `before` and a space."""
    prompt, whole = engine.prompt_ids(before), engine.prompt_ids(f"{before} {text}")
    follows = whole[: len(prompt)] == prompt
    return whole[len(prompt) :] if follows else engine.prompt_ids(f" {text}")[1:]


def _kept(drawn: Sequence[_Drawn], asking: AskConfig) -> _Drawn:
    if asking.keep == "vote":
        votes = Counter(one.text.casefold() for one in drawn)
        most = max(votes.values())
        drawn = [one for one in drawn if votes[one.text.casefold()] == most]
    return _likeliest(drawn)


def _likeliest(drawn: Sequence[_Drawn]) -> _Drawn:
    """The first of equals."""
    return max(drawn, key=lambda one: one.logprob)
