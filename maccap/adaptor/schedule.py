"""The learning-rate schedule of training (docs/method.md): a linear warm-up from 1 %, then a cosine
down to 10 %.
"""

import math


def warmup_cosine(step: int, steps: int, warmup: int = 200) -> float:
    """The fraction of the full learning rate at `step` (from 0) of `steps`."""
    if step < warmup:
        return 0.01 + 0.99 * step / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress))
