"""An archive with all that can be wrong, the command that captions it, and a run that nothing interrupted."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.stages.registry import stages_of
from pipeline.stages.steps import resources_for
from tests.commands import run
from tests.images import encoded, hostile_files, picture, write_shard, write_tar

CAPTIONING = stages_of(("caption",))

GOOD_SAMPLES = 48  # enough that a run is stopped long before its end, on a busy machine too

Command = Callable[..., list[str]]
Finished = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good shards, one cut short, hostile images, two samples of one key, an empty shard and one missing."""
    folder = tmp_path_factory.mktemp("archive")
    for number in range(2):
        write_shard(folder / f"scenes-{number:03d}.tar", GOOD_SAMPLES, 100 * number)
    cut = write_shard(folder / "scenes-002.tar", 4)
    cut.write_bytes(cut.read_bytes()[:-12_000])
    twice = [("same.jpg", encoded(picture(n))) for n in range(2)]
    hostile = [(f"{n:02d}.{name}", data) for n, (name, data) in enumerate(hostile_files().items())]
    hostile = [(name.replace(".bad-", "-bad-"), data) for name, data in hostile]
    write_tar(folder / "scenes-003.tar", [*twice, *hostile, ("meta-only.json", b"{}")])
    write_tar(folder / "scenes-004.tar", [])
    return folder


@pytest.fixture(scope="session")
def command(archive: Path, small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The same threads of torch wherever it runs, and so the same bits: resources are given, not fitted."""
    config = tmp_path_factory.mktemp("config") / "job.json"
    config.write_text(
        json.dumps({"resources": resources_for(CAPTIONING, 1, 0).model_dump(exclude_unset=True)})
    )

    def build(output: Path, *options: str) -> list[str]:
        source = str(archive / "scenes-{000..005}.tar")
        settings = ["--model", str(small_bundle), "--config", str(config), "--chunk-rows", "2", *options]
        return [sys.executable, "-m", "jobs.caption", source, str(output), *settings]

    return build


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Finished:
    """The run folder of an uninterrupted run, and the process that made it."""
    output = tmp_path_factory.mktemp("finished") / "run"
    done = run(command(output))
    assert done.returncode == 0, done.stderr
    return output, done
