"""Default requests fit machines and clusters of any size, and others are refused."""

import pytest
from pydantic import ValidationError

from pipeline.stages.registry import stages_of
from pipeline.stages.resources import Machine, Resources, StageResources, check_fits
from pipeline.stages.stage import Stage
from pipeline.stages.steps import resources_for, resources_for_nodes, steps_of
from pipeline.storage.errors import UserError

CAPTIONING = stages_of(("caption",))
ALL = stages_of(("caption", "ask"), {"existing_caption", "score_heads", "hashes", "flags"})


@pytest.mark.parametrize(
    ("cpus", "gpus"),
    [(1, 0), (2, 0), (3, 0), (4, 0), (7, 0), (8, 0), (16, 0), (64, 0), (2, 1), (16, 1), (64, 8)],
)
def test_the_defaults_fit_any_machine_with_room_for_tasks(cpus: float, gpus: float) -> None:
    resources = resources_for(CAPTIONING, cpus, gpus)
    check_fits(resources, cpus, gpus)
    devices = {resources.stages[stage.name].num_gpus > 0 for stage in CAPTIONING if stage.has_weights}
    assert devices == {gpus > 0}


@pytest.mark.parametrize("cpus", [1, 2, 4, 6, 8, 12, 15, 16, 31, 64])
def test_no_stage_holds_up_the_language_model(cpus: int) -> None:
    """With ViT-B/32 and OPT-125m, 5 candidates, CLIP's image tower takes 14 % of the arithmetic, its text
    tower 11 %.
    """
    stages = resources_for(CAPTIONING, cpus, 0).stages
    threads = {name: stage.actors * stage.torch_threads for name, stage in stages.items()}
    assert threads["features"] >= 0.14 * cpus
    assert threads["rerank"] >= 0.11 * cpus
    assert threads["candidates"] >= 0.75 * cpus


def test_neighbouring_tasks_are_kept_apart_from_fusion() -> None:
    for cpus, gpus in [(1, 0), (2, 0), (8, 0), (16, 1)]:
        resources = resources_for(CAPTIONING, cpus, gpus)
        asked = [resources.read, resources.stages["decode"], resources.stages["features"]]
        requests = {(stage.num_cpus, getattr(stage, "num_gpus", 0)) for stage in asked}
        assert len(requests) == 3


def test_requests_beyond_the_machine_are_refused_not_waited_for() -> None:
    fields = resources_for(CAPTIONING, 2, 0).model_dump()
    fields["candidates"]["actors"] = 9
    with pytest.raises(UserError, match="actors"):
        check_fits(Resources.model_validate(fields), 2, 0)


def test_a_pool_that_grows_counts_with_what_it_begins_with() -> None:
    fields = resources_for(CAPTIONING, 2, 0).model_dump(exclude_unset=True)
    fields["candidates"] |= {"actors": 9, "min_actors": 1}
    check_fits(Resources.model_validate(fields), 2, 0)
    with pytest.raises(ValidationError, match="min_actors 9 is more than actors, 4"):
        StageResources(num_cpus=1, actors=4, min_actors=9)


DGX, CLOUD = Machine(192, 8), Machine(8, 1)
CLUSTERS = {
    "a GPU": [CLOUD],
    "a GPU and few cores": [Machine(2, 1)],
    "a DGX": [Machine(96, 8)],
    "eight DGX": [DGX] * 8,
    "eight of a GPU, one with few cores": [*[CLOUD] * 7, Machine(4, 1)],
    "more cores than GPUs": [DGX, Machine(64), Machine(64)],
    "a head that does not compute": [Machine(0), CLOUD, CLOUD],
}


@pytest.mark.parametrize("nodes", CLUSTERS.values(), ids=CLUSTERS)
@pytest.mark.parametrize("stages", [CAPTIONING, ALL], ids=["captioning", "all stages"])
def test_the_defaults_give_each_gpu_of_a_cluster_an_actor_of_every_stage(
    nodes: list[Machine], stages: tuple[type[Stage], ...]
) -> None:
    resources = resources_for_nodes(stages, nodes)
    pools = [pool for pool in resources.stages.values() if pool.num_gpus]
    assert {pool.actors for pool in pools} == {sum(node.gpus for node in nodes)}
    assert 0.995 <= sum(pool.num_gpus for pool in pools) <= 1
    for node in nodes:
        if node.gpus:  # has room for its part, and a task of each kind beside it
            beside = [resources.read, resources.write]
            beside += [pool for pool in resources.stages.values() if not pool.num_gpus]
            asked = sum(pool.num_cpus for pool in pools) * node.gpus + sum(task.num_cpus for task in beside)
            assert asked <= node.cpus


@pytest.mark.parametrize("stages", [CAPTIONING, ALL], ids=["captioning", "all stages"])
def test_no_gpu_has_room_for_two_actors_of_a_stage(stages: tuple[type[Stage], ...]) -> None:
    """In the order in which they start, which is that of the run's steps."""
    resources = resources_for_nodes(stages, [DGX]).stages
    requests = {stage.setting for stage in stages if stage.setting}
    started = [step.stage.name for step in steps_of(stages, requests=requests)]
    parts = [resources[name].num_gpus for name in started if resources[name].num_gpus]
    left = 1.0
    for part in parts:
        assert left / 2 < part <= left + 1e-9
        left -= part


def test_a_cluster_without_gpus_is_fitted_node_by_node() -> None:
    one = resources_for(CAPTIONING, 64, 0)
    many = resources_for_nodes(CAPTIONING, [Machine(2), Machine(64), Machine(64), Machine(100)])
    for name, stage in one.stages.items():
        assert many.stages[name].num_cpus == stage.num_cpus
        assert many.stages[name].torch_threads == stage.torch_threads
    assert many.stages["candidates"].actors == 3 * one.stages["candidates"].actors
