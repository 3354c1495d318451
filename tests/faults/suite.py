"""Caption one archive again and again while drivers, workers and nodes are killed at random moments.

    python -m tests.faults.suite --kills 100 [--s3]      (make soak)

Every run is started again until it says it is finished. Its table must then equal the undisturbed one: the
same rows, each once, with the same captions, and `maccap verify` finds nothing wrong. With `--s3` the archive
and the runs lie on an S3 server that refuses 5 % of the requests, cuts 2 % of the answers short, and is late
by seconds with 2 %.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pyarrow as pa

from maccap.bundle import built_in_bundle_path
from maccap.scenes.world.archive import ArchiveConfig, write_archive
from pipeline.stages.registry import stages_of
from pipeline.stages.steps import resources_for
from pipeline.storage.files import locate
from tests.commands import REPOSITORY, environment, maccap, run
from tests.faults.nodes import Nodes
from tests.faulty_proxy import Faults, FaultyProxy
from tests.s3_server import s3_environment, s3_server
from tests.tables import differences, table_of

CAPTIONING = stages_of(("caption",))

S3_FAULTS = Faults(slow_down=0.05, cut=0.02, late=0.02, late_seconds=3.0)
KINDS = ("driver", "worker", "worker", "node")
_STARTS = 60  # more restarts of one run than its kills explain mean that it cannot finish


class Suite:
    """Runs of the archive in `place`/archive on `nodes`, with the bundle at `model`, into folders beside the
    archive; `work` is a folder for logs.
    """

    def __init__(self, nodes: Nodes, place: str, model: Path, work: Path, seed: int) -> None:
        self.nodes, self.place, self.model, self.work = nodes, place, model, work
        self.rng = Random(seed)
        self.kills: Counter[str] = Counter()
        self.gave_up: list[str] = []  # last lines of drivers that ended in an error by themselves
        self._config = work / "job.json"
        self._config.write_text(
            json.dumps({"resources": resources_for(CAPTIONING, 2, 0).model_dump(exclude_unset=True)})
        )
        self._environment = {**environment(), **nodes.environment}

    def undisturbed(self) -> pa.Table:
        """The table of a run that nothing happens to, without Ray."""
        self._start("undisturbed", "--local").wait()
        return self.table("undisturbed")

    def disturbed(self, name: str, kills: int, between: tuple[float, float]) -> None:
        """A run in which `kills` things are killed, or fewer if it is finished before, `between` seconds
        apart.
        """
        for _ in range(_STARTS + kills):
            driver = self._start(name)
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
                return
            if not killed:
                self.gave_up.append(self._log(name).read_text().splitlines()[-1])
        raise AssertionError(f"{name} was started {_STARTS + kills} times and is not finished")

    def table(self, name: str) -> pa.Table:
        """All rows of a run, in the order of the archive."""
        return table_of(f"{self.place}/{name}")

    def verified(self, name: str) -> str:
        """What `maccap verify` says, empty where all is well."""
        done = run(maccap("verify", f"{self.place}/{name}"), timeout=600)
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

    def _start(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        command = maccap(
            "caption", f"{self.place}/archive/*.tar", f"{self.place}/{name}", "--model", self.model
        )
        command += ["--config", str(self._config), "--chunk-rows", "4", *options]
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                command, cwd=REPOSITORY, env=self._environment, stdout=subprocess.DEVNULL, stderr=log
            )

    def _log(self, name: str) -> Path:
        return self.work / f"{name}.log"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--a-run", type=int, default=10, help="kills in each run")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--s3", action="store_true")
    options = parser.parse_args()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        list(
            write_archive(
                work / "archive", ArchiveConfig(split="test", count=options.images, seed=0, per_shard=30)
            )
        )
        proxy = stack.enter_context(_faulty_s3()) if options.s3 else None
        place = "s3://bucket" if proxy else str(work)
        if proxy:
            fs, bucket = locate(place)
            fs.put(str(work / "archive"), f"{bucket}/archive", recursive=True)
        nodes = stack.enter_context(Nodes())
        suite = Suite(nodes, place, built_in_bundle_path(), work, options.seed)
        began = time.monotonic()
        expected = suite.undisturbed()
        _say(rows=expected.num_rows, undisturbed_seconds=round(time.monotonic() - began))
        if proxy:
            proxy.faults = S3_FAULTS
        runs = wrong = 0
        while suite.kills.total() < options.kills:
            left = options.kills - suite.kills.total()
            name = f"run-{runs}"
            suite.disturbed(name, min(options.a_run, left), (2.0, 12.0))
            problems = differences(expected, suite.table(name)) + suite.verified(name).splitlines()
            runs, wrong = runs + 1, wrong + bool(problems)
            _say(run=name, kills=suite.kills, wrong=problems[:10], requests=proxy.counts if proxy else None)
        print(json.dumps({"runs": runs, "kills": suite.kills, "wrong": wrong, "gave_up": suite.gave_up}))
    return 1 if wrong else 0


@contextmanager
def _faulty_s3() -> Iterator[FaultyProxy]:
    """An S3 server with the bucket `bucket`, which this process and those it starts from now on talk to."""
    with s3_server() as url, FaultyProxy(url) as proxy:
        os.environ.update(s3_environment(proxy.url))
        locate("s3://bucket")[0].makedirs("bucket", exist_ok=True)
        yield proxy


def _say(**what: object) -> None:
    print(json.dumps(what), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
