"""The learning-rate schedule of DESIGN section 1: a linear warm-up from 1 %, then a cosine down to 10 %."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def warmup_cosine(optimizer: Optimizer, steps: int, warmup: int = 200) -> LambdaLR:
    """Scheduler to be stepped once after each of `steps` optimiser steps."""

    def factor(step: int) -> float:
        if step < warmup:
            return 0.01 + 0.99 * step / warmup
        progress = min(1.0, (step - warmup) / max(1, steps - warmup))
        return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress))

    return LambdaLR(optimizer, factor)
