"""Random numbers that belong to an image and a candidate, not to a batch.

Philox is a counter-based generator: a key and a counter give the numbers, no state is carried. The key is a
hash of run seed and image id, the counter holds the stream and the draw or candidate index, so that batch
sizes, actor counts, retries and resumes cannot change what an image is given.
"""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_NOISE, _SAMPLING = 0, 1


def normals(seed: int, image_id: str, draw: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal float32 numbers of `shape`: the region noise of one draw."""
    return _generator(seed, image_id, _NOISE, draw).standard_normal(shape, dtype=np.float32)


def uniforms(seed: int, image_id: str, candidate: int, n: int) -> NDArray[np.float64]:
    """`n` float64 numbers in [0, 1): one for each token that a candidate samples.

    A longer request starts with the same numbers.
    """
    return _generator(seed, image_id, _SAMPLING, candidate).random(n)


def _generator(seed: int, image_id: str, stream: int, index: int) -> np.random.Generator:
    # surrogatepass: ids come from file names and need not be valid Unicode
    identity = f"{seed}\0{image_id}".encode("utf-8", "surrogatepass")
    key = np.frombuffer(blake2b(identity, digest_size=16).digest(), dtype="<u8").astype(np.uint64)
    counter = np.array([0, 0, index, stream], dtype=np.uint64)  # Philox counts up in the first word
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
