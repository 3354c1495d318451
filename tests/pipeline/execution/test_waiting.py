"""What is said of a stage for which a cluster has no room, and when it is said again."""

from pipeline.execution.room import Room
from pipeline.execution.waiting import WaitingStages
from pipeline.stages.resources import Machine, StageResources, TaskResources

LANGUAGE_MODEL = StageResources(num_cpus=1.5, num_gpus=1, actors=8)
NO_GPU = Room((Machine(4), Machine(4), Machine(2)), 3.5, 0)


class Cluster:
    """A cluster and a clock that a test moves."""

    def __init__(self, room: Room, **pools: StageResources) -> None:
        self.room, self.now, self.begun, self.said = room, 0.0, {"read": 1}, list[str]()
        self._stages = WaitingStages(
            TaskResources(num_cpus=0.2),
            pools,
            lambda: self.begun,
            self.said.append,
            lambda: self.room,
            lambda: self.now,
        )

    def after(self, seconds: float) -> list[str]:
        """What is new."""
        self.said.clear()
        for _ in range(int(seconds)):
            self.now += 1
            self._stages.look()
        return list(self.said)


def test_a_stage_that_no_node_has_room_for() -> None:
    cluster = Cluster(NO_GPU, candidates=LANGUAGE_MODEL)
    assert cluster.after(60) == [
        "candidates waits: 0 of its 8 actors have started, and each asks for 1 GPU and 1.5 CPUs; of 3 nodes, "
        "the largest has 0 GPUs and 4 CPUs. A larger one has to join, or `resources` to ask for less."
    ]
    assert cluster.after(600) == []
    cluster.room = Room((Machine(16, 8), *NO_GPU.nodes), 20, 8)
    cluster.begun["candidates"] = 1
    assert cluster.after(60) == []  # the others start, as it seems
    (line,) = cluster.after(90)
    assert line.endswith(
        "of 8 GPUs and 26 CPUs on 4 nodes, 8 GPUs and 20 CPUs are free, maybe not on one node."
    )
    cluster.begun["candidates"] = 8
    assert cluster.after(60) == ["candidates waits no longer"]
    assert cluster.after(600) == []


def test_a_node_has_to_have_all_that_an_actor_asks_for() -> None:
    apart = Room((Machine(1, 8), Machine(64)), 65, 8)
    (line,) = Cluster(apart, candidates=LANGUAGE_MODEL).after(60)
    assert "the largest has 8 GPUs and 1 CPU." in line


def test_what_others_have_taken() -> None:
    cluster = Cluster(Room((Machine(32, 8),), 12.25, 0.4), candidates=LANGUAGE_MODEL)
    cluster.begun["candidates"] = 5
    (line,) = cluster.after(60)
    assert line.startswith("candidates waits: 5 of its 8 actors have started")
    assert "of 8 GPUs and 32 CPUs on 1 nodes, 0.4 GPUs and 12.25 CPUs are free" in line
    cluster.room = cluster.room._replace(free_cpus=1)  # which changes all the time
    assert cluster.after(60) == []
    cluster.begun["candidates"] = 6
    (line,) = cluster.after(60)
    assert "6 of its 8" in line


def test_a_stage_that_is_slow_to_start_is_not_told_of_at_once() -> None:
    cluster = Cluster(NO_GPU, candidates=LANGUAGE_MODEL)
    assert cluster.after(30) == []
    cluster.begun["candidates"] = 8
    assert cluster.after(60) == []


def test_a_pool_that_may_grow_waits_for_its_least() -> None:
    cluster = Cluster(NO_GPU, candidates=LANGUAGE_MODEL.model_copy(update={"min_actors": 1}))
    cluster.begun["candidates"] = 1
    assert cluster.after(60) == []


def test_a_cluster_of_nothing_yet() -> None:
    cluster = Cluster(Room((), 0, 0))
    cluster.begun.clear()
    assert cluster.after(60) == [
        "read waits: a task asks for 0.2 CPUs; there is no node. A larger one has to join, or `resources` to "
        "ask for less."
    ]
