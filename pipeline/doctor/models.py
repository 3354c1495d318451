"""The libraries that run the models, and the GPUs that these see."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.doctor.check import Finding
from pipeline.doctor.own_process import NoAnswerError, TrialError, try_module

_SECONDS = 60.0  # of importing from a cold disk
_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_LEAST_FREE = 2 << 30  # bytes of a GPU's memory


def models() -> Iterator[Finding]:
    try:
        facts = try_module("pipeline.doctor.import_models", seconds=_SECONDS)
    except NoAnswerError as error:
        yield Finding(
            "warning",
            f"torch, torchvision, open_clip and transformers take long to import: {error}",
            "The machine or its disk is busy, or slow: try again.",
        )
        return
    except TrialError as error:
        yield Finding(
            "fault",
            f"torch, torchvision, open_clip and transformers do not import together: {error}",
            "Install the four in one command, so that pip chooses versions that fit: "
            "pip install -U torch torchvision open_clip_torch transformers",
        )
        return
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    yield Finding("ok", f"{packages} import together")
    yield from gpus(facts, _NVIDIA_DRIVER.exists(), os.environ.get("CUDA_VISIBLE_DEVICES"))


def gpus(facts: Mapping[str, Any], has_driver: bool, visible: str | None) -> Iterator[Finding]:
    """`facts` are `import_models`'s; `visible` is CUDA_VISIBLE_DEVICES."""
    for gpu in facts["gpus"]:
        name = f"GPU {gpu['name']}, {gpu['bytes'] >> 30} GB, compute capability {gpu['capability']}"
        if gpu["error"]:
            fix = "End what else computes on it (nvidia-smi), or install a torch that supports it."
            yield Finding("fault", f"{name}: {gpu['error']}", fix)
        elif gpu["free"] < _LEAST_FREE:
            free = f"{gpu['free'] >> 20} MB of its memory are free"
            yield Finding("warning", f"{name}: {free}", "End what else computes on it (nvidia-smi).")
        else:
            yield Finding("ok", f"{name}, {gpu['free'] >> 30} GB free, CUDA {facts['cuda']}")
    if facts["gpus"]:
        return
    cpu = f"the CPU computes ({facts['cpu']})"
    if not has_driver or visible in ("", "-1"):
        yield Finding("ok", f"no GPU is visible: {cpu}")
    elif facts["cuda"] is None:
        yield Finding(
            "warning",
            f"this torch is built without CUDA, beside an NVIDIA driver: {cpu}",
            "Install torch and torchvision built for CUDA: https://pytorch.org/get-started/locally/",
        )
    else:
        yield Finding(
            "warning",
            f"torch, for CUDA {facts['cuda']}, finds no GPU beside an NVIDIA driver: {cpu}",
            "In a container: docker run --gpus all. Otherwise see whether nvidia-smi lists one, and whether "
            f"its driver is new enough for CUDA {facts['cuda']}.",
        )
