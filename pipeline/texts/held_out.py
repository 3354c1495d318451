"""Captions set aside for evaluation, the same ones in every run."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.storage.errors import UserError

_NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class Division:
    """Positions in the texts that were divided, ascending; together they are all positions."""

    training: list[int]
    held_out: list[int]


def hold_out(texts: Sequence[str], amount: float) -> Division:
    """Set aside `amount` of the texts: a fraction below 1, or a count; 0 sets none aside.

    Chosen are the texts with the smallest hash, so the choice depends on no order and no seed, and more texts
    move few across. Texts that differ only in case and punctuation have one hash and stay on one side, for
    which a few more than `amount` may be set aside. Raises UserError where no text would be left to train on.
    """
    if amount < 0 or (amount >= 1 and amount != int(amount)):
        raise UserError(f"held_out: {amount:g} is neither a fraction (0 to 1) nor a number of captions.")
    count = int(amount) if amount >= 1 else max(1, round(amount * len(texts))) if amount else 0
    hashes = [_hash(text) for text in texts]
    limit = sorted(hashes)[:count][-1] if count and hashes else -1
    division = Division(
        [position for position, value in enumerate(hashes) if value > limit],
        [position for position, value in enumerate(hashes) if value <= limit],
    )
    if not division.training:
        raise UserError(
            f"held_out: {amount:g} of {len(texts):,} captions leaves none to train on. Hold out fewer."
        )
    return division


def _hash(text: str) -> int:
    words = _NO_WORD.sub(" ", text.casefold()).strip()
    return int.from_bytes(hashlib.blake2b(words.encode(), digest_size=8).digest())
