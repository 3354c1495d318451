import pytest

from pipeline.stages.registry import stages_of
from pipeline.stages.resources import Resources, check_fits
from pipeline.stages.steps import resources_for
from pipeline.storage.errors import UserError

CAPTIONING = stages_of(("caption",))


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
