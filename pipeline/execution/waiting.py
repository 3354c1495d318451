"""What a run waits for: a stage for which the cluster has no room says so in one line, and the run goes on
waiting, since clusters grow and other jobs end.
"""

import time
from collections.abc import Callable, Mapping

from pipeline.execution.room import Room
from pipeline.stages.resources import Machine, StageResources, TaskResources

_PATIENCE = 40.0  # seconds: a process that has room still takes its time to start
_READ = "read"


class WaitingStages:
    """Tells `say` what waits: reading, and each of `pools` of which `begun`, workers by stage, counts fewer
    than it starts with. It is told again when this number or the nodes change, and once it waits no longer.
    """

    def __init__(
        self,
        read: TaskResources,
        pools: Mapping[str, StageResources],
        begun: Callable[[], Mapping[str, int]],
        say: Callable[[str], object],
        room: Callable[[], Room] = Room.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._waiting = {_READ: StageResources(num_cpus=read.num_cpus), **pools}
        self._begun, self._say, self._room, self._clock = begun, say, room, clock
        self._begun_at = dict.fromkeys(self._waiting, (0, clock()))  # workers, and since when so many
        self._told: dict[str, tuple[int, tuple[Machine, ...]]] = {}

    def look(self) -> None:
        """Look at the cluster now; once in some seconds is enough, and costs nothing once all have begun."""
        if not self._waiting:
            return
        begun, now, room = self._begun(), self._clock(), None
        for name, asked in list(self._waiting.items()):
            count, since = self._begun_at[name]
            if begun.get(name, 0) >= asked.least_actors:
                del self._waiting[name]  # in place of a worker that is lost Ray Data starts another
                if name in self._told:
                    self._say(f"{name} waits no longer")
            elif begun.get(name, 0) > count:  # which never falls: a Ray that does not answer is none
                self._begun_at[name] = begun.get(name, 0), now
            elif now - since >= _PATIENCE:
                room = room or self._room()
                if room.has(asked.num_cpus, asked.num_gpus) and now - since < 3 * _PATIENCE:
                    continue  # as a rule its processes are slow to start
                if self._told.get(name) != (count, room.nodes):
                    self._told[name] = count, room.nodes
                    self._say(waits(name, asked, count, room))


def waits(name: str, asked: StageResources, begun: int, room: Room) -> str:
    """For instance: candidates waits: 5 of its 8 actors have started, and each asks for 1 GPU and 1.5 CPUs.
    Of 8 GPUs and 64 CPUs on 2 nodes, 0 GPUs and 12 CPUs are free.
    """
    if name == _READ:
        who = f"a task asks for {_amount(asked.num_cpus, asked.num_gpus)}"
    else:
        who = f"{begun} of its {asked.least_actors} actors have started, and each asks for "
        who += _amount(asked.num_cpus, asked.num_gpus)
    nodes = room.nodes
    if not any(node.cpus >= asked.num_cpus and node.gpus >= asked.num_gpus for node in nodes):
        largest = f"of {len(nodes)} nodes, the largest has {_size(nodes[0])}" if nodes else "there is no node"
        return f"{name} waits: {who}; {largest}. A larger one has to join, or `resources` to ask for less."
    total = _amount(sum(node.cpus for node in nodes), sum(node.gpus for node in nodes), both=True)
    free = _amount(room.free_cpus, room.free_gpus, both=True)
    return f"{name} waits: {who}; of {total} on {len(nodes)} nodes, {free} are free, maybe not on one node."


def _size(node: Machine) -> str:
    return _amount(node.cpus, node.gpus, both=True)


def _amount(cpus: float, gpus: float, both: bool = False) -> str:
    counts = [(gpus, "GPU")] if gpus or both else []
    return " and ".join(
        f"{count:.4g} {unit}{'' if count == 1 else 's'}" for count, unit in [*counts, (cpus, "CPU")]
    )
