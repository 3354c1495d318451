"""Answers are a function of image, id, seed and question, and of nothing else."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.adaptor.noise import RegionNoise
from maccap.answerer import Answer, Answerer
from maccap.config import AnswerDecoding, AskConfig
from maccap.sampler import CandidateSampler
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel

IMAGES = 24
IDS = [f"shard/{index:03}.jpg" for index in range(IMAGES)]
QUESTIONS = ["a red dog", "a cat", "two dogs on the grass", "a", "the cat and a dog"]
ASKING = {
    "paper": AskConfig(),
    "greedy": AskConfig(decoding=AnswerDecoding(strategy="greedy", candidates=3)),
    "sampled": AskConfig(decoding=AnswerDecoding(strategy="sample", candidates=4, samples_per_draw=2)),
    "list": AskConfig(answers=("a dog", "a red cat", "grass"), decoding=AnswerDecoding(candidates=2)),
}


@pytest.fixture(scope="module", params=["opt", "gpt2", "llama"])
def answerer(
    request: pytest.FixtureRequest,
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> Answerer:
    return Answerer(
        CandidateSampler(make_adaptor(), HuggingFaceEngine(make_lm(request.param)), RegionNoise(0.016))
    )


@pytest.fixture(scope="module")
def features() -> Tensor:
    torch.manual_seed(3)
    return torch.randn(IMAGES, 5, 32)


def test_a_question_begins_with_a_capital() -> None:
    assert AskConfig().prompt(" is it \n raining?") == "Question: Is it raining? Short answer:"
    assert AskConfig(capitalise=False).prompt("is it raining?") == "Question: is it raining? Short answer:"
    assert AskConfig().prompt("") == "Question:  Short answer:"


def assert_same(ours: list[Answer], theirs: list[Answer]) -> None:
    assert [answer[:2] for answer in ours] == [answer[:2] for answer in theirs]
    assert [a.logprob for a in ours] == pytest.approx([a.logprob for a in theirs], abs=1e-3)


@pytest.mark.parametrize("kind", ASKING)
def test_neighbours_and_other_questions_leave_no_trace(
    answerer: Answerer, features: Tensor, kind: str
) -> None:
    asking = ASKING[kind]
    questions = [QUESTIONS[row % 5 :] + QUESTIONS[: row % 3] for row in range(IMAGES)]
    whole = answerer(features, IDS, questions, 0, asking)
    assert [[answer.question for answer in row] for row in whole] == questions
    rows = [17, 3, 11]
    again = answerer(features[rows], [IDS[row] for row in rows], [questions[row] for row in rows], 0, asking)
    for row, answers in zip(rows, again, strict=True):
        assert_same(answers, whole[row])
    for place, question in enumerate(questions[7]):
        ((alone,),) = answerer(features[7:8], IDS[7:8], [[question]], 0, asking, batch_rows=7)
        assert_same([alone], [whole[7][place]])


def test_an_image_passes_the_adaptor_once(
    answerer: Answerer, features: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    adaptor = answerer.sampler.adaptor
    hook = adaptor.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    answerer(features, IDS, [QUESTIONS * 3] * IMAGES, 0, AskConfig())
    hook.remove()
    assert seen == [64]  # all images at once, and the block filled up


def test_the_likeliest_of_a_list(answerer: Answerer, features: Tensor) -> None:
    asking = ASKING["list"].model_copy(update={"decoding": AnswerDecoding()})
    every = [asking.model_copy(update={"answers": (one,)}) for one in asking.answers]
    scores = [answerer(features, IDS, [["a cat"]] * IMAGES, 0, one) for one in every]
    for row, (answer,) in enumerate(answerer(features, IDS, [["a cat"]] * IMAGES, 0, asking)):
        of_row = {str(of_answer[row][0].text): of_answer[row][0].logprob or 0.0 for of_answer in scores}
        assert answer.text == max(of_row, key=of_row.__getitem__)
        assert answer.logprob == pytest.approx(of_row[answer.text], abs=1e-3)


def test_a_vote_and_the_likeliest(answerer: Answerer, features: Tensor) -> None:
    drawn = AnswerDecoding(strategy="sample", candidates=8, temperature=0.7, max_new_tokens=2)
    vote, likeliest = (
        answerer(features, IDS, [["a cat"]] * IMAGES, 0, AskConfig(decoding=drawn, keep=keep))
        for keep in ("vote", "likeliest")
    )
    assert any(a[0].text != b[0].text for a, b in zip(vote, likeliest, strict=True))
    assert all((b[0].logprob or 0) >= (a[0].logprob or 0) for a, b in zip(vote, likeliest, strict=True))


def test_a_question_beyond_what_the_model_reads(answerer: Answerer, features: Tensor) -> None:
    most = answerer.sampler.engine.most_tokens
    assert most is not None
    long = " ".join(["dog"] * most)
    ((first, second),) = answerer(features[:1], IDS[:1], [[long, "a cat"]], 0, AskConfig())
    assert first == Answer(long, None, None)
    assert second.text is not None


def test_nothing_asked(answerer: Answerer, features: Tensor) -> None:
    assert answerer(features[:0], [], [], 0, AskConfig()) == []
    assert answerer(features[:2], IDS[:2], [[], []], 0, AskConfig()) == [[], []]
    with pytest.raises(ValueError, match="questions of 1 images"):
        answerer(features[:2], IDS[:2], [["a cat"]], 0, AskConfig())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"template": "Question:"}, "where the question goes"),
        ({"answers": ("yes", "yes")}, "distinct"),
        ({"answers": ("yes", " ")}, "empty"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AskConfig(**wrong)


def test_settings_are_read_as_they_were_written() -> None:
    plain = AskConfig.model_validate({"decoding": {"length_penalty": 1.0, "beams": 2}})
    assert plain.decoding.candidates == 1
    assert AskConfig.model_validate_json(plain.model_dump_json()) == plain
