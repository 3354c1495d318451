"""What the page says of all rows, in the order in which it says it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from pipeline.quality.duplicates import Group
from pipeline.report.blocks import Bars, Block, Cards, Columns, Section, Table
from pipeline.report.chosen_rows import ShownRow
from pipeline.report.distribution import distribution
from pipeline.report.lowest_keys import Place
from pipeline.report.numbers import Numbers
from pipeline.report.throughput import Throughput

_WORDS, _GROUPS, _QUESTIONS, _ANSWERS = 24, 12, 8, 12
_LONGEST = 300  # characters of a text in a table

_FLAGS = {
    "empty": "no word in it",
    "short": "fewer than three words",
    "cut": "ends in the middle of a phrase, by a rule on English text",
    "repeated": "says the same words twice in a row, or the same four words twice",
}
_EXTREMES = {
    "highest score": ("Closest to their image", "CLIP's cosine of caption and image is highest."),
    "lowest score": ("Farthest from their image", "CLIP's cosine is lowest: look here for mistakes first."),
    "most likely": ("Most certain", "The language model's log-probability per word is highest."),
    "least likely": ("Least certain", "The language model's log-probability per word is lowest."),
}


def sections(
    numbers: Numbers, throughput: Throughput | None, rows: Mapping[Place, ShownRow]
) -> Iterator[Section]:
    """Those that have something to say; `rows` are the gallery, in its order."""
    yield from _section("time", "Throughput", "", _over_time(throughput))
    if "caption" in numbers.columns:
        yield from _section("captions", "Captions", "", _captions(numbers))
        yield from _section("quality", "Flags and copies", "", _quality(numbers))
    if "phash" in numbers.columns:
        yield from _section("images_again", "Duplicate images", "", _image_copies(numbers))
    yield from _section("errors", "Errors", "", _errors(numbers))
    yield from _section("extremes", "Most and least certain", "Of all rows.", _extremes(numbers, rows))
    yield from _section("answers", "Answers", "", _answers(numbers))


def _section(name: str, title: str, about: str, blocks: Iterator[Block]) -> Iterator[Section]:
    if found := list(blocks):
        yield Section(name, title, about, found)


def _over_time(throughput: Throughput | None) -> Iterator[Block]:
    if throughput is None:
        return
    starts = [duration(throughput.width * place) for place in range(len(throughput.images_per_second))]
    pauses = f"{throughput.pauses:,} pause{'s' if throughput.pauses > 1 else ''}"
    yield Columns(
        "Images per second",
        "From when the files of the table were written; a run that was copied shows the copying."
        + (f" {pauses}, {duration(throughput.paused)} in all, are cut out." if throughput.pauses else ""),
        "images/s",
        [f"from {start}" for start in starts],
        [round(float(value), 2) for value in throughput.images_per_second],
        ("start", f"{duration(throughput.seconds)} of work"),
    )


def _captions(numbers: Numbers) -> Iterator[Block]:
    yield from distribution(
        "CLIP score",
        "Cosine of caption and image in CLIP's space.",
        numbers.scores,
        2,
    )
    yield from distribution("Words per caption", "Words by white space.", numbers.words, 0)
    yield from distribution(
        "Log-probability per word",
        "Of the language model, for the candidate that was chosen: its log-probability over its words.",
        numbers.logprobs,
        2,
    )
    yield from distribution(
        "CLIP score of original captions",
        "Cosine with the image of the captions that images came with.",
        numbers.original_scores,
        2,
    )
    words, vocabulary = numbers.vocabulary.most_frequent(_WORDS), len(numbers.vocabulary.counts)
    if words:
        more = "more than " if numbers.vocabulary.dropped else ""
        yield Bars(
            "Most frequent words",
            f"The captions use {more}{vocabulary:,} different words. Function words, such as “the” and “on”, "
            "are not shown.",
            "times",
            [word for word, _ in words],
            [count for _, count in words],
        )


def _quality(numbers: Numbers) -> Iterator[Block]:
    if not numbers.captioned:
        return
    counted = dict.fromkeys(_FLAGS, 0) | dict(numbers.flags.most_common())
    yield Table(
        "Flags",
        f"Captions with a flag: {numbers.flagged:,} of {numbers.captioned:,}.",
        ("flag", "what it says", "captions", "of all"),
        [
            (flag, _FLAGS.get(flag, ""), count, percent(count, numbers.captioned))
            for flag, count in counted.items()
        ],
    )
    totals, groups = numbers.duplicates, numbers.copies.largest(_GROUPS)
    yield Table(
        "Most frequent captions",
        f"Copies of an earlier caption: {totals.exact:,} to the letter, and {totals.near:,} "
        f"({percent(totals.near, totals.rows)}) but for case, punctuation, articles and the order of words.",
        ("caption", "images", "of all"),
        _groups(groups, totals.rows, "all other captions"),
    )


def _image_copies(numbers: Numbers) -> Iterator[Block]:
    copies = numbers.image_copies
    totals, groups = copies.totals(), copies.largest(_GROUPS)
    yield Table(
        "Images that are there more than once",
        f"Copies of an earlier image: {totals.exact:,} to the byte, and {totals.near:,} "
        f"({percent(totals.near, totals.rows)}) to the eye: at most 3 bits of their perceptual hashes differ."
        + (f" Of one even colour, and compared by their bytes alone: {copies.flat:,}." if copies.flat else "")
        + (f" Compared with some of their like alone: {copies.crowded:,} hashes." if copies.crowded else ""),
        ("one of them", "images", "of all"),
        _groups(groups, totals.rows, "all other images"),
    )


def _groups(groups: Sequence[Group], rows: int, others: str) -> list[tuple[str, int, str]]:
    """Lines of a table: the groups, and then the rows that are in none of them."""
    counts = [(_cut(group.example or "…"), group.count) for group in groups]
    rest = rows - sum(group.count for group in groups)
    if groups and rest > 0:
        counts.append((others, rest))
    return [(what, count, percent(count, rows)) for what, count in counts]


def _errors(numbers: Numbers) -> Iterator[Block]:
    kinds = numbers.error_kinds
    if not kinds.counts:
        return
    frequent = kinds.counts.most_common(_GROUPS)
    rest = numbers.errors - sum(count for _, count in frequent)
    yield Table(
        "Errors by kind",
        f"{numbers.errors:,} of {numbers.rows:,} images could not be captioned or asked "
        f"({percent(numbers.errors, numbers.rows)}).",
        ("kind", "images", "for instance"),
        [
            (
                kind,
                count,
                "\n".join(f"{_cut(name, 80)}: {_cut(error, 160)}" for name, error in kinds.examples[kind]),
            )
            for kind, count in frequent
        ]
        + ([("all other kinds", rest, "")] if rest else []),
    )


def _extremes(numbers: Numbers, rows: Mapping[Place, ShownRow]) -> Iterator[Block]:
    number_of = {place: number for number, place in enumerate(rows)}
    for name, (title, about) in _EXTREMES.items():
        places = [place for place in numbers.extremes[name].places if place in number_of]
        if not places or 2 * len(places) > numbers.captioned:
            continue
        values = [
            rows[place].fields.get("clip_score") if "score" in name else rows[place].logprob
            for place in places
        ]
        notes = ["" if value is None else f"{value:.3f}" for value in values]
        yield Cards(title, about, [number_of[place] for place in places], notes)


def _answers(numbers: Numbers) -> Iterator[Block]:
    answers = numbers.answers
    if not answers.asked:
        return
    frequent = answers.answers.most_common(_WORDS)
    yield Bars(
        "Most frequent answers",
        f"Questions asked: {answers.asked:,}; without an answer: {answers.unanswered:,}."
        + (" Rare answers were dropped while counting." if answers.dropped else ""),
        "answers",
        [_cut(answer, 60) for answer, _ in frequent],
        [count for _, count in frequent],
    )
    questions = answers.frequent_questions(_QUESTIONS)
    rest = answers.answered - sum(counts.total() for _, counts in questions)
    if len(answers.by_question) > 1 and questions:
        yield Table(
            "Questions asked of many images",
            "Each with its most frequent answers.",
            ("question", "answers", "most frequent"),
            [
                (
                    _cut(question),
                    counts.total(),
                    ",  ".join(f"{_cut(a, 40)} ({n:,})" for a, n in counts.most_common(_ANSWERS)),
                )
                for question, counts in questions
            ]
            + ([("all other questions", rest, "")] if rest else []),
        )


def percent(part: int, whole: int) -> str:
    """With a digit behind the point near either end, and never nothing or all for what is not."""
    if not whole or not part:
        return "0 %"
    value = 100 * part / whole
    if value < 0.1 or (value > 99.9 and part < whole):
        return "< 0.1 %" if value < 0.1 else "> 99.9 %"
    return f"{value:.0f} %" if 10 <= value <= 99 or part == whole else f"{value:.1f} %"


def duration(seconds: float) -> str:
    """For instance `2 h 5 min`, `3 min 20 s`, `4 s`."""
    if seconds < 10:
        return f"{seconds:.3g} s"
    rounded = timedelta(seconds=round(seconds))
    hours, rest = divmod(rounded.seconds + 86400 * rounded.days, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
