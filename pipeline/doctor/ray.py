"""Ray: its port, its import, and on demand a Ray that is joined or started as a run does."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import psutil

from pipeline.doctor.check import Finding
from pipeline.doctor.own_process import TrialError, try_module

PORT = 52365
_IMPORT_SECONDS, _START_SECONDS = 30.0, 75.0


def ray(start: bool) -> Iterator[Finding]:
    """`start` also connects to one: RAY_ADDRESS's, or one of this machine."""
    yield port()
    address = os.environ.get("RAY_ADDRESS")
    where = f"runs join the cluster at {address} (RAY_ADDRESS)" if address else "runs start a local one"
    try:
        if start:
            facts = try_module("pipeline.doctor.start_ray", "start", seconds=_START_SECONDS)
        else:
            facts = try_module("pipeline.doctor.start_ray", seconds=_IMPORT_SECONDS)
    except TrialError as error:
        yield Finding("fault", str(error), "A few images are captioned without Ray: --local.")
        return
    if start:
        on = f"on {facts['cpus']:g} CPUs and {facts['gpus']:g} GPUs"
        done = f"a task has run after {facts['seconds']:.0f} s, {on}"
        yield Finding("ok", f"{facts['version']}: {where}; {done}")
    else:
        yield Finding("ok", f"{facts['version']}: {where} (--ray tries it)")


def port(number: int = PORT) -> Finding:
    """Whether that which a local Ray would like to have is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            taken = f"port {number} of 127.0.0.1 is taken by {_holder(number)}"
            fix = (
                "A local Ray only takes seconds longer to start. If it is a Ray that was left behind, end it."
            )
            return Finding("warning", taken, fix)
    return Finding("ok", f"port {number} of 127.0.0.1 is free")


def _holder(number: int) -> str:
    with suppress(psutil.Error, OSError):  # some systems tell it to root alone
        for connection in psutil.net_connections("tcp"):
            if connection.laddr and connection.laddr.port == number and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    return "a program of another user"
