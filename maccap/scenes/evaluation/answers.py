"""Answers about rendered scenes, with the image and without: `python -m maccap.scenes.evaluation.answers`.

Without the image, the language model reads the question alone: what it then gets right it guesses.
"""

import argparse
from collections import Counter
from typing import NamedTuple

import torch

from maccap.captioner import Captioner
from maccap.config import AskConfig
from maccap.scenes.world.facts import FactualQuestion, scenes_with_facts
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import Split
from maccap.text.engine import DrawKey


class Accuracy(NamedTuple):
    """Fractions of a number of questions that are answered rightly."""

    questions: int
    with_image: float
    without: float


def answer_accuracy(captioner: Captioner, split: Split, scenes: int, seed: int) -> dict[str, Accuracy]:
    """By question type, and for `all`; an answer is right where it is the scene's, word for word."""
    told = scenes_with_facts(split, scenes, seed, asked=True)
    images = [render(scene, 192) for scene, _ in told]
    asked = [facts.questions for _, facts in told]
    answers = captioner.ask(images, [[one.question for one in some] for some in asked], seed=seed)
    flat = [one for some in asked for one in some]
    seen = [answer.text for some in answers for answer in some]
    guessed = guesses(captioner, flat)
    total, right, by_luck = Counter[str](), Counter[str](), Counter[str]()
    for question, answer, guess in zip(flat, seen, guessed, strict=True):
        for kind in (question.question_type, "all"):
            total[kind] += 1
            right[kind] += answer == question.answer
            by_luck[kind] += guess == question.answer
    return {
        kind: Accuracy(total[kind], right[kind] / total[kind], by_luck[kind] / total[kind]) for kind in total
    }


def guesses(captioner: Captioner, questions: list[FactualQuestion]) -> list[str]:
    """What the language model answers without a prefix."""
    engine, asking = captioner.sampler.engine, AskConfig()
    told: dict[str, str] = {}
    for question in {one.question for one in questions}:
        prefix = torch.zeros(1, 0, engine.embedding_dim)
        prompt = engine.prompt_ids(asking.prompt(question))
        ((answer,),) = engine.generate(prefix, prompt, asking.decoding, [DrawKey(0, question, 0)])
        told[question] = engine.text(answer.token_ids, first_line=True)
    return [told[one.question] for one in questions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="a bundle; by default the built-in one")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20_260_101)
    arguments = parser.parse_args()
    captioner = Captioner.from_pretrained(arguments.model, device="cpu")
    found = answer_accuracy(captioner, "test", arguments.count, arguments.seed)
    print("| question type | questions | accuracy | without the image |\n|---|---|---|---|")
    for kind, accuracy in sorted(found.items(), key=lambda item: -item[1].questions):
        print(f"| {kind} | {accuracy.questions:,} | {accuracy.with_image:.3f} | {accuracy.without:.3f} |")


if __name__ == "__main__":
    main()
