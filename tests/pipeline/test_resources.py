import pytest

from pipeline.errors import UserError
from pipeline.resources import Resources, check_fits, default_resources


@pytest.mark.parametrize(
    ("cpus", "gpus"),
    [(1, 0), (2, 0), (3, 0), (4, 0), (7, 0), (8, 0), (16, 0), (64, 0), (2, 1), (16, 1), (64, 8)],
)
def test_the_defaults_fit_any_machine_with_room_for_tasks(cpus: float, gpus: float) -> None:
    resources = default_resources(cpus, gpus)
    check_fits(resources, cpus, gpus)
    devices = {stage.num_gpus > 0 for stage in resources.actor_stages().values()}
    assert devices == {gpus > 0}


def test_neighbouring_tasks_are_kept_apart_from_fusion() -> None:
    for cpus, gpus in [(1, 0), (2, 0), (8, 0), (16, 1)]:
        resources = default_resources(cpus, gpus)
        asked = [resources.read, resources.decode, resources.features]
        requests = {(stage.num_cpus, getattr(stage, "num_gpus", 0)) for stage in asked}
        assert len(requests) == 3


def test_requests_beyond_the_machine_are_refused_not_waited_for() -> None:
    fields = default_resources(2, 0).model_dump()
    fields["candidates"]["actors"] = 9
    with pytest.raises(UserError, match="actors"):
        check_fits(Resources.model_validate(fields), 2, 0)
