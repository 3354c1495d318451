"""A Ray head that exports metrics, and a Prometheus that scrapes it, on ports of their own."""

import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.commands import SCRIPTS, environment
from tests.web_server import Site, web_server

# Ray tells its metrics every 10 s, and the tests cannot wait for several of these
QUICK = {"RAY_metrics_report_interval_ms": "2000", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "t" * 32}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ray_head() -> Iterator[tuple[dict[str, str], int]]:
    """What a driver needs to join it, and the port of its metrics."""
    ports = [free_port() for _ in range(4)]
    home = tempfile.mkdtemp(prefix="ray-")  # short: Ray's sockets lie in it
    names = ("port", "dashboard-port", "dashboard-agent-listen-port", "metrics-export-port")
    command = [str(SCRIPTS / "ray"), "start", "--head", "--block", "--num-cpus=2", "--disable-usage-stats"]
    command += [f"--temp-dir={home}", "--node-ip-address=127.0.0.1"]
    command += [f"--{name}={port}" for name, port in zip(names, ports, strict=True)]
    with _running(command, {**QUICK, "RAY_worker_niceness": "0"}, Path(home) / "head.log") as (process, log):
        _wait_for(lambda: _get(f"http://127.0.0.1:{ports[3]}/metrics"), process, log)
        yield {**QUICK, "RAY_ADDRESS": f"127.0.0.1:{ports[0]}"}, ports[3]
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def prometheus(folder: Path, port: int, rules: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Scrapes a port of this machine every 3 s, with the rules of a file; answers which series an
    expression has now.
    """
    own = free_port()
    settings = {
        "global": {"scrape_interval": "3s", "evaluation_interval": "3s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "ray", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(settings))  # which is YAML too
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{own}"]

    def ask(expression: str) -> list[dict[str, Any]]:
        query = urllib.parse.urlencode({"query": expression})
        return list(json.loads(_get(f"http://127.0.0.1:{own}/api/v1/query?{query}"))["data"]["result"])

    with _running(command, {}, folder / "prometheus.log") as (process, log):
        _wait_for(lambda: ask("vector(1)"), process, log)
        yield ask


@contextmanager
def cut(file: Path) -> Iterator[str]:
    """The URL of a file whose first answers break off: planning has one of them, reading the others."""
    with web_server(Site(file.read_bytes(), cuts=[1024] * 4)) as url:
        yield f"{url}/{file.name}"


@contextmanager
def held(file: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """The URL of a file whose bytes do not come until they are released: so long goes a run that reads it."""
    released = threading.Event()
    site = Site(file.read_bytes(), cuts=[1024] * 20, on_cut=lambda: released.wait(600))

    def release() -> None:
        site.cuts.clear()
        released.set()

    with web_server(site) as url:
        try:
            yield f"{url}/{file.name}", release
        finally:
            release()


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return bytes(answer.read())


@contextmanager
def _running(
    command: list[str], variables: dict[str, str], log: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**environment(), **variables},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process, log
    finally:
        process.terminate()
        process.wait(120)


def _wait_for(answer: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            answer()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
