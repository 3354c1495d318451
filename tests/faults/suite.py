"""Caption one archive again and again while drivers, workers and nodes are killed at random moments.

    python -m tests.faults.suite --kills 100      (make soak)

Every run is started again until it says it is finished. Its table must then equal the undisturbed one: the
same rows, each once, with the same captions, and `maccap verify` finds nothing wrong.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from maccap.bundle import embedded_bundle_path
from maccap.world.archive import ArchiveConfig, write_archive
from pipeline.resources import default_resources
from tests.faults.nodes import Nodes

REPOSITORY = Path(__file__).parents[2]
KINDS = ("driver", "worker", "worker", "node")
_STARTS = 60  # more restarts of one run than its kills explain mean that it cannot finish


class Suite:
    """Runs of `archive` with the bundle at `model`, on `nodes`, in folders under `work`."""

    def __init__(self, nodes: Nodes, archive: str, model: Path, work: Path, seed: int) -> None:
        self.nodes, self.archive, self.model, self.work = nodes, archive, model, work
        self.rng = Random(seed)
        self.kills: Counter[str] = Counter()
        self.gave_up: list[str] = []  # last lines of drivers that ended in an error by themselves
        self._config = work / "job.json"
        self._config.write_text(json.dumps({"resources": default_resources(2, 0).model_dump()}))
        self._environment = {
            **os.environ, "RAY_ADDRESS": nodes.address, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY),
        }  # fmt: skip

    def undisturbed(self) -> pa.Table:
        """The table of a run that nothing happens to."""
        output = self.work / "undisturbed"
        self._start(output).wait()
        return table_of(output)

    def disturbed(self, name: str, kills: int, between: tuple[float, float]) -> Path:
        """A run in which `kills` things are killed, or fewer if it is finished before, `between` seconds
        apart; its folder.
        """
        output = self.work / name
        for _ in range(_STARTS + kills):
            driver = self._start(output)
            killed = False
            while not killed:
                try:
                    driver.wait(self.rng.uniform(*between) if kills else None)
                    break
                except subprocess.TimeoutExpired:
                    killed = self._kill(driver)
                    kills -= 1
            driver.wait()
            if driver.returncode == 0:
                return output
            if not killed:
                self.gave_up.append(self._log(output).read_text().splitlines()[-1])
        raise AssertionError(f"{name} was started {_STARTS + kills} times and is not finished")

    def verified(self, output: Path) -> str:
        """What `maccap verify` says, empty where all is well."""
        command = [sys.executable, "-m", "jobs.cli", "verify", str(output)]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=self._environment, capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def _kill(self, driver: subprocess.Popen[bytes]) -> bool:
        """Kill one thing; whether it was the driver."""
        kind = self.rng.choice(KINDS)
        if kind == "driver":
            driver.send_signal(signal.SIGKILL)
            self.kills["driver"] += 1
            return True
        what = self.nodes.kill_node(self.rng) if kind == "node" else self.nodes.kill_worker(self.rng)
        if what is not None:
            self.kills[what.split("(")[0]] += 1
        return False

    def _start(self, output: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "jobs.caption", self.archive, str(output)]
        command += ["--model", str(self.model), "--config", str(self._config), "--chunk-rows", "4"]
        with self._log(output).open("ab") as log:
            return subprocess.Popen(
                command, cwd=REPOSITORY, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def _log(self, output: Path) -> Path:
        return output.with_suffix(".log")


def table_of(output: Path) -> pa.Table:
    """All rows of a run, in the order of the archive."""
    return pq.read_table(output / "captions").sort_by([("shard", "ascending"), ("index", "ascending")])


def differences(expected: pa.Table, found: pa.Table) -> list[str]:
    """What is lost, doubled or different, one line each."""
    ids, wanted = Counter(found["image_id"].to_pylist()), Counter(expected["image_id"].to_pylist())
    lines = [f"lost: {image_id}" for image_id in wanted - ids]
    lines += [f"doubled: {image_id}" for image_id in ids - wanted]
    if lines:
        return lines
    for column in ("image_id", "shard", "index", "caption", "error", "metadata"):
        if expected[column] != found[column]:
            lines.append(f"{column} differs")
    texts = [
        [[c["text"] for c in row or []] for row in t["candidates"].to_pylist()] for t in (expected, found)
    ]
    return lines if texts[0] == texts[1] else [*lines, "candidates differ"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--a-run", type=int, default=10, help="kills in each run")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder, Nodes() as nodes:
        work = Path(folder)
        scenes = ArchiveConfig(split="test", count=options.images, seed=options.seed, per_shard=30)
        list(write_archive(work / "archive", scenes))
        suite = Suite(nodes, str(work / "archive" / "*.tar"), embedded_bundle_path(), work, options.seed)
        began = time.monotonic()
        expected = suite.undisturbed()
        print(f"undisturbed: {expected.num_rows} rows in {time.monotonic() - began:.0f} s", file=sys.stderr)
        number = 0
        while suite.kills.total() < options.kills:
            left = options.kills - suite.kills.total()
            output = suite.disturbed(f"run-{number}", min(options.a_run, left), (2.0, 12.0))
            problems = differences(expected, table_of(output)) + suite.verified(output).splitlines()
            wrong += bool(problems)
            print(json.dumps({"run": number, "kills": suite.kills, "wrong": problems[:10]}), file=sys.stderr)
            number += 1
    print(json.dumps({"runs": number, "kills": suite.kills, "wrong": wrong, "gave_up": suite.gave_up}))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
