"""A Ray cluster as people start one, by `ray start`: a head that wants a token, and nodes that are told to go
or are killed.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psutil

from tests.commands import SCRIPTS, environment

_STARTS_WITHIN = 300.0
_SMALL = ["--num-cpus=1", f"--object-store-memory={100 << 20}", "--min-worker-port=0", "--max-worker-port=0"]


class RayNodes:
    """A head and `others` more nodes, each of one CPU. A node that is told to go has `grace` seconds. What is
    started here is ended by its own process ids.
    """

    def __init__(self, folder: Path, others: int, grace: float) -> None:
        self._folder, self._others, self._grace = folder, others, grace
        self._home = tempfile.mkdtemp(prefix="ray-")  # short: Ray's sockets lie in it
        self._port, self._dashboard = free_port(), free_port()
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        self.access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.address = f"http://127.0.0.1:{self._dashboard}"
        self.nodes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            head = ["--head", f"--port={self._port}", f"--temp-dir={self._home}", "--disable-usage-stats"]
            head += ["--dashboard-host=127.0.0.1", f"--dashboard-port={self._dashboard}"]
            self._start("head", head, grace=0)
            self._wait_for(self._dashboard)
            for number in range(self._others):
                self._start_node(f"node-{number}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self.nodes):
            _kill_all(process.pid)
            process.wait(60)
        shutil.rmtree(self._home, ignore_errors=True)

    def tell_to_go(self, number: int) -> None:
        """As Kubernetes tells a pod, and a cloud a spot node."""
        self.nodes[1 + number].send_signal(signal.SIGTERM)

    def kill(self, number: int) -> None:
        """The node at once, all its processes."""
        _kill_all(self.nodes[1 + number].pid)

    def _start_node(self, name: str) -> None:
        """Twice if need be: Ray gives a node 30 s to start, which a busy machine may not have for it."""
        for _ in range(2):
            home = tempfile.mkdtemp(dir=self._home)  # nodes that share one remove a job's folder beneath it
            self._start(name, [f"--address=127.0.0.1:{self._port}", f"--temp-dir={home}"], self._grace)
            while self.nodes[-1].poll() is None:
                if "block forever" in self._log(name).read_text():
                    return
                time.sleep(0.2)
            self.nodes.pop()
        raise AssertionError(self._log(name).read_text())

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _start(self, name: str, options: list[str], grace: float) -> None:
        # what takes jobs: it does not start where another Ray of this machine has its usual port
        agent = f"--dashboard-agent-listen-port={free_port()}"
        command = [str(SCRIPTS / "ray"), "start", "--block", *_SMALL, agent, *options]
        variables = {**environment(), **self.access, "RAY_worker_niceness": "0"}
        variables["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"] = str(grace)
        with self._log(name).open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self._folder, env=variables, stdout=log, stderr=log, start_new_session=True
            )
        self.nodes.append(process)

    def _wait_for(self, port: int) -> None:
        log = self._log("head")
        deadline = time.monotonic() + _STARTS_WITHIN
        while not _answers(port):
            assert self.nodes[0].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)


def _kill_all(pid: int) -> None:
    """A process and all below it, which Ray puts into groups of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
