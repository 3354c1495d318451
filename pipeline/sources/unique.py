"""Ids that are each given once within a shard."""

import hashlib


class UniqueIds:
    """Numbers the repeats of an id. Holds a hash a sample, about a hundred bytes, for one shard at a time."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def seen(self, image_id: str) -> bool:
        return digest(image_id) in self._seen

    def unique(self, image_id: str) -> str:
        """`image_id`, or from its second time on `image_id#2` and so on."""
        candidate, number = image_id, 1
        while self.seen(candidate):
            number += 1
            candidate = f"{image_id}#{number}"
        self._seen.add(digest(candidate))
        return candidate


def digest(image_id: str) -> bytes:
    """64 bits of it: among a million ids, two share these with a chance of 3 in 10^8."""
    return hashlib.blake2b(image_id.encode("utf-8", "backslashreplace"), digest_size=8).digest()
