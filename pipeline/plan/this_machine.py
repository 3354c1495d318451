"""This machine, asked without Ray, in place of where a run would compute."""

import os
from dataclasses import dataclass
from typing import Self

from maccap.runtime.cgroup_limits import cores
from pipeline.execution.budget import Size
from pipeline.stages.resources import Resources, StageResources, check_fits
from pipeline.stages.steps import Stages, resources_for


@dataclass(frozen=True)
class ThisMachine:
    """Cores that this process may use, and GPUs that torch sees."""

    cpus: int
    gpus: int

    @classmethod
    def look(cls) -> Self:
        import torch

        return cls(cores(), torch.cuda.device_count() if torch.cuda.is_available() else 0)

    @property
    def has_gpu(self) -> bool:
        return self.gpus > 0

    @property
    def in_process(self) -> StageResources:
        """What stages get in this process: the first GPU, or all cores."""
        return StageResources(num_cpus=1, num_gpus=self.has_gpu, torch_threads=self.cpus)

    @property
    def size(self) -> Size:
        return Size(machines=1, gpus=self.gpus)

    def resources(self, chosen: Resources | None, stages: Stages) -> Resources:
        """Requests of a Ray that were started here. Raises UserError for more than there is."""
        resources = chosen or resources_for(stages, self.cpus, self.gpus)
        check_fits(resources, self.cpus, self.gpus)
        return resources


def cluster_address() -> str | None:
    """Of the Ray that a run would join; None where it would start its own."""
    address = os.environ.get("RAY_ADDRESS") or "local"
    return None if address == "local" else address
