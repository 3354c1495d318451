"""VQA accuracy by the official rule (Antol et al. 2015), the quirks of its code included.

Reference: GT-Vision-Lab/VQA, PythonEvaluationTools/vqaEvaluation/vqaEval.py, the rule of commit 07aecec, by
which results are published. Marks and contractions are those of a4f1afd, of the same rule: with 07aecec's
own, which have typographic apostrophes, `dont` ends in an error. Since a013f00 the repository compares
answers as they are written where all people agree; that is not done here.
"""

import re
from collections.abc import Sequence

_PUNCTUATION = frozenset(';/[]"{}()=+\\_-><@`,?!')
_DIGITS_AROUND_COMMA = re.compile(r"[0-9],[0-9]")
_PERIOD = re.compile(r"\.(?![0-9])")  # the reference's lookbehind is misspelt, and so excludes nothing
_PERIODS_REMOVED = 32  # at most: `re.UNICODE`, which the reference passes where `sub` takes a count
_ARTICLES = frozenset({"a", "an", "the"})
_NUMBERS = {
    **{"none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5"},
    **{"six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10"},
}

_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
    he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've
    mustn't must've needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't
    shouldn't've somebody'd've somebody'll somebody's someone'd someone'd've someone'll someone's
    something'd something'd've something'll that's there'd there'd've there're there's they'd they'd've
    they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's where'd
    where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't
    wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
_WITH_APOSTROPHES = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTIONS.split()
    for place, character in enumerate(word)
    if character == "'"
} | {"somebody'd": "somebodyd"}  # the wrong way round in the reference
"""What lacks one of its apostrophes, with all of them. Without the reference's entries in capitals, which
lower-case words never meet."""


def vqa_accuracy(predicted: str, human: Sequence[str]) -> float:
    """Accuracy in [0, 1] of one answer: min(1, matches / 3) among all human answers but one, averaged over
    which is left out. Ten human answers are usual; with fewer than four, 1 is out of reach.

    The prediction is normalised; people's answers lose their punctuation, and that only where they differ.
    So `Yes` is right where ten people wrote `yes`, and `yes` wrong where ten wrote `Yes`. A single human
    answer, for which the reference is always 0, is matched after normalisation, as GQA is scored. Raises
    ValueError without human answers.
    """
    if not human:
        raise ValueError("VQA accuracy needs at least one human answer")
    said = normalise_prediction(predicted)
    if len(human) == 1:
        return float(said == normalise_prediction(human[0]))
    answers = list(map(_without_punctuation, human)) if len(set(human)) > 1 else list(human)
    matches = answers.count(said)
    left_out = (matches - (answer == said) for answer in answers)
    return sum(min(1.0, others / 3) for others in left_out) / len(answers)


def normalise_prediction(text: str) -> str:
    """An answer in the form that is compared: lower case, without punctuation and articles, numbers up to ten
    as digits, contractions with their apostrophes.

    >>> normalise_prediction("The two dogs, dont touch!")
    "2 dogs don't touch"
    """
    words = (_NUMBERS.get(word, word) for word in _without_punctuation(_one_line(text)).lower().split())
    return " ".join(_WITH_APOSTROPHES.get(word, word) for word in words if word not in _ARTICLES)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ").strip()


def _without_punctuation(text: str) -> str:
    """A mark beside a space is removed, any other becomes one; in a text with `1,000` all are removed."""
    joined = _DIGITS_AROUND_COMMA.search(text) is not None
    result = text
    for mark in _PUNCTUATION.intersection(text):
        beside_space = f"{mark} " in text or f" {mark}" in text
        result = result.replace(mark, "" if joined or beside_space else " ")
    return _PERIOD.sub("", result, count=_PERIODS_REMOVED)
