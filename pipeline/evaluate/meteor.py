"""METEOR 1.5 by its own Java program, as coco-caption runs it; one process for all that is scored."""

from typing import Any

import numpy as np

from pipeline.evaluate.coco_tokens import JavaError, Tokens
from pipeline.evaluate.metric import Array

_LENGTHS, _CHUNKS, _MATCHES = slice(0, 2), 20, slice(21, 23)
"""Among the numbers that it prints for a caption: words of the caption and of the reference, runs of words
matched, and words matched of both."""


class MeteorProgram:
    """Starts with the first caption: it takes seconds to load its paraphrases."""

    def __init__(self) -> None:
        self._meteor: Any = None

    def statistics(self, tokens: Tokens) -> Array:
        """Of each caption with its closest reference [images, 23]; of their sums it makes a score.

        The one run of a caption that matches a reference whole is no fragment: adding captions up, the
        program leaves it out, and so do sums of these. Raises JavaError.
        """
        from pycocoevalcap.meteor.meteor import Meteor  # an extra of the package

        if self._meteor is None:
            self._meteor = Meteor()
        lines = [
            self._meteor._stat(said[0], tokens.references[place]) for place, said in tokens.captions.items()
        ]
        if not all(lines):
            self._meteor = None
            raise JavaError("METEOR's program ended before its time")
        numbers = np.array([list(map(float, line.split())) for line in lines])
        whole = (numbers[:, _MATCHES] == numbers[:, _LENGTHS]).all(axis=1)
        numbers[whole & (numbers[:, _CHUNKS] == 1), _CHUNKS] = 0
        return numbers

    def scores(self, sums: Array) -> Array:
        """Of each row of summed statistics."""
        process = self._meteor.meteor_p
        rows = [" ".join(map(str, row.tolist())) for row in sums]
        process.stdin.write(f"EVAL ||| {' ||| '.join(rows)}\n".encode())
        process.stdin.flush()
        scores = [float(process.stdout.readline()) for _ in rows]
        process.stdout.readline()  # that of all of them together
        return np.array(scores)
