"""`maccap caption` as a job of a Ray cluster that runs already."""

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import SCRIPTS, environment, run
from tests.jobs.conftest import Command, Finished
from tests.tables import file_hashes


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Dashboard address of a Ray head of our own, started and stopped by its process id, and how to enter.

    Once a local Ray has run under a user, `ray start` asks for the token it left in their home, but
    `ray job submit` sends it only if told to. The head has a token of its own, and both are told.
    """
    port, dashboard = _free_port(), _free_port()
    folder = tmp_path_factory.mktemp("head")
    log, token = folder / "log", folder / "token"
    token.write_text(secrets.token_hex(32))
    home = tempfile.mkdtemp(prefix="ray-")  # short: Ray's sockets lie in it
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    command = [str(SCRIPTS / "ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    command += [f"--temp-dir={home}"]  # else a local Ray started without an address joins this one
    command += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", "--disable-usage-stats"]
    # what takes jobs: it does not start where another Ray of this machine has its usual port
    command += [f"--dashboard-agent-listen-port={_free_port()}"]
    with log.open("wb") as output:
        variables = {**environment(), **access, "RAY_worker_niceness": "0"}
        process = subprocess.Popen(
            command, env=variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 300
        while not _answers(dashboard):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{dashboard}", access
    finally:
        process.terminate()
        process.wait(120)
        shutil.rmtree(home, ignore_errors=True)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_ray_job_gives_the_same_table(
    tmp_path: Path,
    ray_head: tuple[str, dict[str, str]],
    command: Command,
    finished: Finished,
) -> None:
    address, access = ray_head
    output = tmp_path / "run"
    entry = ["python", *command(output)[1:]]
    submit = [str(SCRIPTS / "ray"), "job", "submit", "--address", address, "--working-dir", ".", "--"]
    deadline = time.monotonic() + 300
    while "No available agent" in (done := run([*submit, *entry], **access)).stderr:  # it starts last
        assert time.monotonic() < deadline
    assert done.returncode == 0, done.stdout + done.stderr
    assert file_hashes(output) == file_hashes(finished[0])
