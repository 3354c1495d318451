"""What each stage asks of the machine or cluster.

Every operator needs its fraction at the same time: with whole-CPU requests on a small machine Ray Data
starves the writer until the end, or stands still. So requests are fractions of the machine, while torch's
threads, which do the work, are set apart from them. Ray fuses neighbouring tasks with equal requests: keep
them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from maccap.config import Config
from pipeline.storage.errors import UserError


class TaskResources(Config):
    """One operator of short tasks: the fraction of a CPU that each takes; Ray Data runs as many as fit."""

    num_cpus: float = Field(gt=0, description="that each asks of Ray")


class StageResources(TaskResources):
    """One stage. With weights it runs in `actors` processes, each with its own copy of them; without, it is
    an operator of short tasks, and `num_cpus` alone counts.
    """

    num_gpus: float = Field(default=0, ge=0, description="of each actor; fractions share one")
    actors: int = Field(default=1, ge=1, description="processes with a copy of the weights each")
    min_actors: int | None = Field(
        default=None,
        ge=1,
        description="where the pool grows to `actors`, and shrinks, with its work: the fewest",
    )
    torch_threads: int = Field(default=1, ge=1, description="that compute in each actor")

    @property
    def least_actors(self) -> int:
        """That the stage begins with, and never goes below."""
        return self.min_actors or self.actors

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.least_actors > self.actors:
            raise ValueError(f"min_actors {self.min_actors} is more than actors, {self.actors}")
        return self


class Resources(Config):
    """Requests of all operators of a run: reading, writing, and each stage by its name.

    Which stages there are is checked where they are known, by `pipeline.stages.steps.check_resources`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StageResources] = Field(init=False)

    read: TaskResources = Field(description="tasks that read shards")
    write: TaskResources = Field(description="tasks that write the table's files")

    @property
    def stages(self) -> dict[str, StageResources]:
        return dict(self.__pydantic_extra__ or {})

    def of(self, name: str) -> StageResources:
        """Of a stage; of one that is not named, a light one, what writing takes: next to it they are one."""
        return self.stages.get(name) or StageResources(num_cpus=self.write.num_cpus)


@dataclass(frozen=True)
class Machine:
    """A machine, or a part of one, as far as default requests depend on it."""

    cpus: float
    gpus: int = 0

    @property
    def fraction(self) -> float:
        """Of the default requests, what fits: a two-core machine gives 1.75 of its 2 CPUs away."""
        return min(1.0, self.cpus / (4 * self.gpus) if self.gpus else self.cpus / 2)

    @property
    def is_small(self) -> bool:
        return not self.gpus and self.cpus < 4

    @property
    def groups(self) -> int:
        """Language models side by side on CPUs, four cores each."""
        return max(1, int(self.cpus) // 4)


def units_of(nodes: Sequence[Machine]) -> tuple[Machine, int]:
    """What default requests are fitted to, and how often the cluster has it: a GPU with the CPUs that come
    with it where these are fewest, or, without any GPU, the smallest node that counts.

    Nodes of less than half the largest one's CPUs do not count, nor do those without a GPU where others have
    some: they read, decode and write.
    """
    if with_gpus := [node for node in nodes if node.gpus and node.cpus]:
        cpus = min(node.cpus / node.gpus for node in with_gpus)
        return Machine(cpus, 1), sum(node.gpus for node in with_gpus)
    largest = max((node.cpus for node in nodes), default=0.0) or 1.0  # those of a cluster that is to grow
    counted = [node.cpus for node in nodes if node.cpus >= largest / 2] or [largest]
    return Machine(min(counted)), sum(int(cpus // min(counted)) for cpus in counted)


def language_model_resources(machine: Machine) -> StageResources:
    """Of a stage with a language model, most of a machine: threads for every core, or most of each GPU."""
    if machine.gpus:
        return StageResources(num_cpus=0.6 * machine.fraction, num_gpus=0.6, actors=machine.gpus)
    return StageResources(
        num_cpus=0.5 * machine.fraction if machine.is_small else 1.5,
        actors=machine.groups,
        torch_threads=max(1, int(machine.cpus)) // machine.groups,
    )


def tower_resources(
    machine: Machine, cpus: float, *, beside_gpu: float | None = None, gpus: float
) -> StageResources:
    """Of a stage with one of CLIP's towers, or as small a model: `cpus` of each actor, `beside_gpu` where it
    computes on `gpus` of a GPU.

    Each of CLIP's towers takes about a seventh of all arithmetic: with one thread for eight cores they, not
    the language model, would decide the throughput.
    """
    if machine.gpus:
        return StageResources(
            num_cpus=(beside_gpu or cpus) * machine.fraction, num_gpus=gpus, actors=machine.gpus
        )
    return StageResources(
        num_cpus=cpus * machine.fraction,
        actors=-(-machine.groups // 2),
        torch_threads=1 if machine.is_small else 2,
    )


def check_fits(resources: Resources, cpus: float, gpus: float) -> None:
    """Raise UserError for requests that a machine of `cpus` and `gpus` could never grant, where Ray would
    wait forever.
    """
    stages = resources.stages.values()
    wanted_cpus = sum(stage.num_cpus * stage.least_actors for stage in stages)
    wanted_cpus += resources.read.num_cpus + resources.write.num_cpus
    wanted_gpus = sum(stage.num_gpus * stage.least_actors for stage in stages)
    if wanted_cpus > cpus + 1e-6 or wanted_gpus > gpus + 1e-6:
        raise UserError(
            f"the stages ask for {wanted_cpus:g} CPUs and {wanted_gpus:g} GPUs together, and here are "
            f"{cpus:g} and {gpus:g}. Lower num_cpus, num_gpus or actors under `resources`, or leave it out."
        )
