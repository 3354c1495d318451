"""Whether the cluster that RAY_ADDRESS names can be joined: Ray itself would try for a quarter of an hour,
without a word.
"""

import re
import socket
import subprocess
import sys
from subprocess import PIPE, STDOUT

from pipeline.storage.errors import RunError, UserError

_CONNECT_SECONDS = 10.0
_JOIN_SECONDS = 30.0

_FIX = "Unset RAY_ADDRESS to work on this machine alone, or set it to HOST:PORT of a head node that runs."
_LOGGED = re.compile(r"^\[[^]]*\] \S+: ")  # time and place of a line of Ray's log
_TRY = """
import logging, sys, ray
try:
    ray.init(address=sys.argv[1], logging_level=logging.ERROR, log_to_driver=False)
except Exception as error:
    sys.exit(" ".join(f"{type(error).__name__}: {error}".split()))
"""


def check_joinable(address: str) -> None:
    """Raises UserError for an address of another kind, RunError where no cluster answers there in time.

    It is joined once in a process of its own, which can be ended: nothing else bounds the time that takes.
    """
    if "://" in address:
        raise UserError(
            f"RAY_ADDRESS={address} is no address that a run can join: it has to lie on the cluster. "
            "Set it to HOST:PORT of the head node, on one of the cluster's machines, or send the run there: "
            "maccap submit caption SOURCE OUTPUT"
        )
    if address != "auto":
        _check_listens(address)
    command = [sys.executable, "-P", "-c", _TRY, address]
    try:
        done = subprocess.run(
            command, stdout=PIPE, stderr=STDOUT, text=True, timeout=_JOIN_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        said = late.output.decode("utf-8", "replace") if late.output else ""
        raise RunError(
            f"what listens at {address} (RAY_ADDRESS) did not answer as a Ray cluster within "
            f"{_JOIN_SECONDS:.0f} s: another program, another port of Ray's, or a head node that is gone; or "
            f"this machine is not one of the cluster's{_last(said)}. {_FIX}"
        ) from None
    if done.returncode == 0:
        return
    if "AuthToken" in done.stdout or "AuthenticationError" in done.stdout:
        raise UserError(
            f"the Ray cluster at {address} (RAY_ADDRESS) wants its token. Set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH to a file with what `ray get-auth-token` prints on its head node."
        )
    raise RunError(f"cannot join the Ray cluster at {address} (RAY_ADDRESS){_last(done.stdout)}. {_FIX}")


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return f": {_LOGGED.sub('', lines[-1]).strip().rstrip('.')}" if lines else ""


def _check_listens(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"RAY_ADDRESS={address} is not of the form HOST:PORT. {_FIX}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = "no answer" if isinstance(error, TimeoutError) else str(error)
        raise RunError(f"nothing listens at {address} (RAY_ADDRESS): {reason}. {_FIX}") from None
