"""Import Ray, connect to it where `start` is given, and run a task: the answer is a line of JSON.

python -m pipeline.doctor.start_ray [start]
"""

import json
import sys
import time
from typing import Any

import ray
import ray.data  # what it needs may be broken where Ray itself is not

from pipeline.storage.errors import RunError, UserError


def main() -> None:
    facts = {"version": ray.__version__}
    try:
        answer = json.dumps({**facts, **_started()} if sys.argv[1:] == ["start"] else facts)
    except (UserError, RunError) as error:
        sys.exit(" ".join(str(error).split()))
    print(answer, flush=True)


def _started() -> dict[str, Any]:
    from pipeline.execution.cluster import connect_to_ray, end_local_ray

    began = time.monotonic()
    connect_to_ray()
    try:
        ray.get(ray.remote(_nothing).remote())
        total = ray.cluster_resources()
        seconds = time.monotonic() - began
    finally:
        end_local_ray()
    return {"seconds": seconds, "cpus": total.get("CPU", 0), "gpus": total.get("GPU", 0)}


def _nothing() -> None:
    pass


if __name__ == "__main__":
    main()
