"""Import what runs the models, together, and compute on every GPU: the answer is a line of JSON.

python -m pipeline.doctor.import_models
"""

import json
from typing import Any


def main() -> None:
    import open_clip
    import pyarrow.parquet  # noqa: F401, its libraries and torch's must bear each other
    import torch
    import torchvision
    import transformers

    packages = {
        module.__name__: module.__version__ for module in (torch, torchvision, open_clip, transformers)
    }
    facts = {
        "packages": packages,
        "cuda": torch.version.cuda or torch.version.hip,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "gpus": [_gpu(index) for index in range(torch.cuda.device_count())],
    }
    print(json.dumps(facts), flush=True)


def _gpu(index: int) -> dict[str, Any]:
    import torch

    gpu = torch.cuda.get_device_properties(index)
    facts = {"name": gpu.name, "bytes": gpu.total_memory, "capability": f"{gpu.major}.{gpu.minor}"}
    try:
        ones = torch.ones(64, 64, device=f"cuda:{index}", dtype=torch.bfloat16)
        computed = float((ones @ ones).sum())
        free = torch.cuda.mem_get_info(index)[0]
    except RuntimeError as error:  # no kernels for this GPU, one that is lost, or no memory left
        return {**facts, "error": str(error).strip().split("\n")[0]}
    return {**facts, "free": free, "error": "" if computed == 64**3 else "it computes wrongly"}


if __name__ == "__main__":
    main()
