"""What each stage asks of the machine or cluster.

Every operator needs its share at the same time: with whole-CPU requests on a small machine Ray Data starves
the writer until the end, or stalls. So requests are fractions of the machine, while torch's threads, which do
the work, are set apart from them.
"""

from pydantic import Field

from maccap.config import Config
from pipeline.storage.errors import UserError


class TaskResources(Config):
    """One operator of short tasks: the CPU share of each; Ray Data runs as many as fit."""

    num_cpus: float = Field(gt=0)


class ActorResources(Config):
    """One model stage: `actors` processes, each with its own weights."""

    num_cpus: float = Field(gt=0)
    num_gpus: float = Field(default=0, ge=0)
    actors: int = Field(default=1, ge=1)
    torch_threads: int = Field(default=1, ge=1)


class Resources(Config):
    """Requests of the six operators. Ray fuses neighbouring tasks with equal requests: keep them apart."""

    read: TaskResources
    decode: TaskResources
    features: ActorResources
    candidates: ActorResources
    rerank: ActorResources
    write: TaskResources

    def actor_stages(self) -> dict[str, ActorResources]:
        return {"features": self.features, "candidates": self.candidates, "rerank": self.rerank}


def default_resources(cpus: float, gpus: float) -> Resources:
    """Requests that fit a machine or cluster of `cpus` and `gpus`: all actors, and a task of each kind beside
    them.
    """
    if gpus >= 1:
        return _gpu_resources(cpus, int(gpus))
    share = min(1.0, cpus / 2)  # a two-core machine gives 1.75 of its 2 CPUs away
    groups = max(1, int(cpus) // 4)
    threads = max(1, int(cpus)) // groups
    # each of CLIP's towers takes about a seventh of all arithmetic: with one thread for eight cores they, not
    # the language model, would set the pace
    towers = {"actors": -(-groups // 2), "torch_threads": 2 if cpus >= 4 else 1}
    return Resources(
        read=TaskResources(num_cpus=0.2 * share),
        decode=TaskResources(num_cpus=0.4 * share if cpus < 4 else 0.5),
        features=ActorResources(num_cpus=0.3 * share, **towers),
        candidates=ActorResources(
            num_cpus=0.5 * share if cpus < 4 else 1.5, actors=groups, torch_threads=threads
        ),
        rerank=ActorResources(num_cpus=0.25 * share, **towers),
        write=TaskResources(num_cpus=0.1 * share),
    )


def _gpu_resources(cpus: float, gpus: int) -> Resources:
    """Each GPU holds one actor of every model stage; most of it goes to the language model."""
    share = min(1.0, cpus / (4 * gpus))
    return Resources(
        read=TaskResources(num_cpus=0.2 * share),
        decode=TaskResources(num_cpus=0.5 * share),
        features=ActorResources(num_cpus=0.5 * share, num_gpus=0.2, actors=gpus),
        candidates=ActorResources(num_cpus=0.6 * share, num_gpus=0.6, actors=gpus),
        rerank=ActorResources(num_cpus=0.4 * share, num_gpus=0.2, actors=gpus),
        write=TaskResources(num_cpus=0.1 * share),
    )


def check_fits(resources: Resources, cpus: float, gpus: float) -> None:
    """Raise UserError for requests that a machine of `cpus` and `gpus` could never grant, where Ray would
    wait forever.
    """
    stages = resources.actor_stages().values()
    tasks = (resources.read, resources.decode, resources.write)
    wanted_cpus = sum(stage.num_cpus * stage.actors for stage in stages) + sum(
        task.num_cpus for task in tasks
    )
    wanted_gpus = sum(stage.num_gpus * stage.actors for stage in stages)
    if wanted_cpus > cpus + 1e-6 or wanted_gpus > gpus + 1e-6:
        raise UserError(
            f"the stages ask for {wanted_cpus:g} CPUs and {wanted_gpus:g} GPUs together, and here are "
            f"{cpus:g} and {gpus:g}. Lower num_cpus, num_gpus or actors under `resources`, or leave it out."
        )
