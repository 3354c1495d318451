"""OUTPUT of a training run, when several commands begin there at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest

from pipeline.storage.errors import UserError
from pipeline.texts import CaptionSet
from pipeline.train.config import TrainJobConfig
from pipeline.train.facts import TrainFacts, train_facts
from pipeline.train.run_folder import TrainFolder
from pipeline.train.towers import Towers


@pytest.fixture
def make_facts(
    captions: CaptionSet, towers: Towers, make_config: Callable[..., TrainJobConfig]
) -> Callable[[int], TrainFacts]:
    def make(seed: int) -> TrainFacts:
        return train_facts(captions, towers, make_config({"seed": seed}), "float32")

    return make


@pytest.mark.parametrize("place", ["local", "memory"])
def test_of_commands_with_other_settings_that_begin_at_once_one_goes_on(
    tmp_path: Path, make_facts: Callable[[int], TrainFacts], place: str
) -> None:
    for attempt in range(8):
        url = f"{tmp_path}/{attempt}" if place == "local" else f"memory://race/{attempt}"
        facts, together = [make_facts(seed) for seed in range(6)], Barrier(6)
        with ThreadPoolExecutor(len(facts)) as pool:
            answers = list(pool.map(partial(_begin, url, together), facts))
        refused = [answer for answer in answers if answer is not None]
        assert len(refused) == 5
        assert all("training.seed: was" in line and "choose another OUTPUT" in line for line in refused)
        assert TrainFolder(url).recorded() == facts[answers.index(None)]


def _begin(url: str, together: Barrier, facts: TrainFacts) -> str | None:
    """Why it was refused."""
    folder = TrainFolder(url)
    folder.check(facts)
    together.wait(30)
    try:
        folder.begin(facts)
    except UserError as error:
        return str(error)
    return None


def test_the_same_command_twice_is_let_in(tmp_path: Path, make_facts: Callable[[int], TrainFacts]) -> None:
    for _ in range(2):
        TrainFolder(str(tmp_path / "output")).begin(make_facts(0))
