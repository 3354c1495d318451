"""Commands as jobs of a Ray cluster, by submit.py, status.py, logs.py and stop.py, while nodes of the cluster
go and are killed, and connections to it are cut.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.stages.steps import resources_for
from pipeline.storage.files import locate
from pipeline.storage.folder import Folder
from tests.commands import REPOSITORY, SCRIPTS, environment
from tests.faults.ray_nodes import RayNodes
from tests.faulty_proxy import Faults, FaultyProxy
from tests.images import write_shard
from tests.jobs.conftest import CAPTIONING
from tests.relay import Relay
from tests.s3_server import s3_environment
from tests.tables import differences, table_of

SHARDS, ROWS = 3, 48
_WITHIN = 300.0
ARCHIVE, OUTPUT = "s3://bucket/cluster/archive", "s3://bucket/cluster/run"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    with RayNodes(tmp_path_factory.mktemp("cluster"), others=2, grace=5) as nodes:
        yield nodes


@dataclass(frozen=True)
class Person:
    """Someone at a folder that is no checkout, with settings, storage and a cluster."""

    folder: Path
    cluster: RayNodes
    storage: dict[str, str]
    proxy: FaultyProxy

    def command(self, name: str, *arguments: object) -> list[str]:
        return [str(SCRIPTS / "maccap"), name, *map(str, arguments)]

    @property
    def variables(self) -> dict[str, str]:
        access = {**self.cluster.access, "RAY_API_SERVER_ADDRESS": self.cluster.address}
        return {**environment(), **self.storage, **access}

    def does(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return self.runs(self.command(name, *arguments), self.folder)

    def runs(self, command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def person(
    tmp_path_factory: pytest.TempPathFactory, cluster: RayNodes, s3_url: str, small_bundle: Path
) -> Iterator[Person]:
    folder = tmp_path_factory.mktemp("höme of 'someone'")
    (folder / "jobs").mkdir()
    (folder / "jobs" / "__init__.py").write_text("raise SystemExit('not this package')")
    (folder / "pipeline.py").write_text("raise SystemExit('not this module')")
    with (folder / "large.bin").open("wb") as large:
        large.truncate(200 << 20)
    (folder / "my model").symlink_to(small_bundle)
    settings = {
        "resources": resources_for(CAPTIONING, 1, 0).model_dump(exclude_unset=True)
    }  # one node has room
    (folder / "rün settings.yaml").write_text(json.dumps(settings))
    (folder / "list of tars.txt").write_text(f"# all of them\n{ARCHIVE}/*.tar\n")
    with FaultyProxy(s3_url) as proxy, pytest.MonkeyPatch.context() as patch:
        storage = s3_environment(proxy.url)
        for name, value in storage.items():
            patch.setenv(name, value)
        filesystem, bucket = locate("s3://bucket")
        filesystem.makedirs(bucket, exist_ok=True)
        for number in range(SHARDS):
            shard = write_shard(folder / f"scenes-{number:03d}.tar", ROWS, ROWS * number)
            filesystem.put(str(shard), f"{bucket}/cluster/archive/{shard.name}")
        yield Person(folder, cluster, storage, proxy)


def submission(person: Person, *options: str) -> list[str]:
    sent = [word for name in person.storage for word in ("--env", name)]
    arguments = ["@list of tars.txt", OUTPUT, "--config", "rün settings.yaml", "--model", "my model"]
    return [*sent, *options, "caption", *arguments, "--chunk-rows", "1"]


def sent(person: Person) -> str:
    """The id of the job once it has written something."""
    done = person.does("submit", *submission(person, "--no-wait"))
    assert done.returncode == 0, done.stderr
    assert "testing" not in done.stdout + done.stderr  # the key of the storage
    while not chunks():
        [*_, known] = json.loads(person.does("status", OUTPUT).stdout.splitlines()[-1])["jobs"]
        assert known["status"] in ("PENDING", "RUNNING"), person.does("logs", OUTPUT).stdout
    return str(json.loads(done.stdout)["job"])


def chunks() -> int:
    return len(Folder(f"{OUTPUT}/captions").names())


def more_chunks(person: Person, number: int) -> None:
    """Wait until the job has written so many more."""
    begun, deadline = chunks(), time.monotonic() + _WITHIN
    while chunks() < begun + number:
        assert time.monotonic() < deadline, person.does("logs", OUTPUT).stdout
        time.sleep(0.5)


@pytest.fixture(scope="module")
def expected(person: Person) -> pa.Table:
    """Of a run that nothing happens to."""
    done = person.does("caption", f"{ARCHIVE}/*.tar", "undisturbed", "--model", "my model", "--local")
    assert done.returncode == 0, done.stderr
    return table_of(str(person.folder / "undisturbed"))


@pytest.mark.timeout(900)
def test_a_job_loses_nodes_and_connections_and_no_row(person: Person, expected: pa.Table) -> None:
    person.proxy.faults = Faults(late=1.0, late_seconds=0.5)  # else all is done before anything happens
    job = sent(person)
    more_chunks(person, 3)
    again = person.does("submit", *submission(person))
    assert again.returncode == 2
    assert job in again.stderr

    person.cluster.tell_to_go(0)
    more_chunks(person, 3)
    person.cluster.kill(1)
    more_chunks(person, 3)
    person.proxy.faults = Faults(late=1.0, late_seconds=1.0)
    [*_, known] = json.loads(person.does("status", OUTPUT).stdout.splitlines()[-1])["jobs"]
    assert (known["job"], known["status"]) == (job, "RUNNING")
    assert known["progress"]["rows"] >= 3

    stopped = person.does("stop", OUTPUT)
    assert stopped.returncode == 0, stopped.stderr
    assert [one["status"] for one in json.loads(stopped.stdout)["stopped"]] == ["STOPPED"]
    assert chunks() < SHARDS * ROWS
    person.proxy.faults = Faults()
    log = person.does("logs", job)
    assert "the same command resumes" in log.stdout

    with Relay(int(person.cluster.address.rpartition(":")[2])) as relay:
        address = ("--address", f"http://127.0.0.1:{relay.port}")
        command = person.command("submit", *submission(person, *address))
        with subprocess.Popen(
            command,
            cwd=person.folder,
            env=person.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as following:
            assert following.stderr is not None
            for line in following.stderr:
                if line.startswith('{"progress"'):
                    break
            relay.cut()
            time.sleep(6)
            relay.restore()
            out, err = following.communicate(timeout=300)
    assert following.returncode == 0, err
    assert "does not answer" in err
    assert "answers again" in err
    assert json.loads(out.splitlines()[-1])["answer"]["rows"] == SHARDS * ROWS
    assert differences(expected, table_of(OUTPUT)) == []
    whole = person.does("verify", OUTPUT)
    assert whole.returncode == 0, whole.stdout


def test_a_job_that_ray_itself_submits_gives_the_same_table(person: Person, expected: pa.Table) -> None:
    output = f"{OUTPUT}-of-ray"
    command = [str(SCRIPTS / "ray"), "job", "submit", "--address", person.cluster.address]
    command += ["--working-dir", ".", "--runtime-env-json", json.dumps({"env_vars": person.storage}), "--"]
    command += ["python", "-m", "jobs.caption", f"{ARCHIVE}/*.tar", output]
    command += [
        "--model",
        str(person.folder / "my model"),
        "--config",
        str(person.folder / "rün settings.yaml"),
    ]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env=person.variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert differences(expected, table_of(output)) == []


def test_a_failed_job_gives_its_exit_code_and_reason(person: Person) -> None:
    done = person.does("submit", "--", "verify", "/no such run\nof mine")
    assert done.returncode == 2
    assert json.loads(done.stdout.splitlines()[-1])["status"] == "FAILED"
    assert "no such run" in done.stderr


@pytest.mark.parametrize("name", ["logs", "stop", "status"])
def test_an_unknown_job_is_a_mistake(person: Person, name: str) -> None:
    done = person.does(name, "maccap-caption-never")
    assert done.returncode == 2
    assert "maccap-caption-never" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_or_missing_token_is_told(person: Person) -> None:
    for access, word in (
        ({"RAY_AUTH_TOKEN": "1" * 64}, "not the right one"),
        ({"HOME": "/nowhere"}, "missing"),
    ):
        variables = {**environment(), "RAY_API_SERVER_ADDRESS": person.cluster.address, **access}
        done = subprocess.run(
            person.command("status"), env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert word in done.stderr
        assert "RAY_AUTH_TOKEN_PATH" in done.stderr
