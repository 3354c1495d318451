"""What a run of questions answered: the most frequent answers, in all and to frequent questions."""

from collections import Counter, defaultdict
from collections.abc import Iterable

_MOST = 100_000  # answers, and questions, told apart
_QUESTIONS = 50  # of which answers are counted: those that come first


class AnswerCounts:
    """Counts questions and their answers; `dropped` says whether rare ones were, to bound memory."""

    def __init__(self) -> None:
        self.asked = self.unanswered = 0
        self.answers: Counter[str] = Counter()
        self.by_question: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.dropped = False

    @property
    def answered(self) -> int:
        return self.asked - self.unanswered

    def add(self, pairs: Iterable[tuple[str | None, str | None]]) -> None:
        """Pairs of a question and its answer, None for one without."""
        for question, answer in pairs:
            self.asked += 1
            if answer is None:
                self.unanswered += 1
                continue
            self.answers[answer] += 1
            if question is not None and (question in self.by_question or len(self.by_question) < _QUESTIONS):
                self._count(self.by_question[question], answer)
        if len(self.answers) > _MOST:
            self.answers = Counter(dict(self.answers.most_common(_MOST // 2)))
            self.dropped = True

    def _count(self, answers: Counter[str], answer: str) -> None:
        if answer in answers or len(answers) < _MOST // _QUESTIONS:
            answers[answer] += 1
        else:
            self.dropped = True

    def frequent_questions(self, count: int) -> list[tuple[str, Counter[str]]]:
        """Those asked of many images alike, with their answers."""
        counted = [(question, answers) for question, answers in self.by_question.items()]
        counted = [pair for pair in counted if pair[1].total() > 1]
        return sorted(counted, key=lambda pair: -pair[1].total())[:count]
