"""What a local Ray needs of the machine: a secret of its own, and why it did not start."""

import contextlib
import os
import resource
import secrets
import shutil
import stat
import tempfile
from pathlib import Path

from maccap.runtime.cgroup_limits import cores, free_memory, limits
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

_TOKEN_SETTINGS = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
_LEFT_BY_RAY = Path(".ray") / "auth_token"

_SHORT_FOLDER = "Set RAY_TMPDIR to a folder with a short name, such as /tmp"
_SHARED_MEMORY = Path("/dev/shm")
_LEAST_DISK, _LEAST_MEMORY = 64 << 20, 512 << 20

# what Ray needs of each limit of a shell's `ulimit`, in that command's option, and its own unit
_FILES = (resource.RLIMIT_NOFILE, "n", "open files", 512)
_LIMITS = (
    _FILES,
    (resource.RLIMIT_AS, "v", "bytes of address space", 64 << 30),
    (resource.RLIMIT_NPROC, "u", "processes and threads", 1024),
    (resource.RLIMIT_FSIZE, "f", "bytes in a file", 1 << 30),
)


def prepare_local_ray() -> None:
    """Give it a token that lives as long as this process, and nowhere on disk, unless the user set one.

    Left to itself Ray writes one into the home folder, for all to read; one that lies there is closed.
    Raises UserError where it would start and then die.
    """
    if too_low := _too_low(*_FILES):
        raise UserError(f"Ray cannot run here: {too_low}")
    if not any(name in os.environ for name in _TOKEN_SETTINGS):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    with contextlib.suppress(OSError, RuntimeError):  # no such file, or no home folder
        token = Path.home() / _LEFT_BY_RAY
        found = token.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mode & 0o077:
            token.chmod(0o600)


def cpus_allowed() -> int | None:
    """The cores that this process is bound to, or its control groups' quota where that is lower; None where
    it may use all. Ray's own count heeds neither the first nor the quota of a group inside others.
    """
    bound = cores()
    allowed = max(1, min(bound, int(limits().cpus or bound)))
    return allowed if allowed < (os.cpu_count() or 1) else None


def why_not_started(error: Exception) -> str:
    """What on this machine kept Ray from starting, as far as can be seen, and the fix."""
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    said = describe(error)
    if "AF_UNIX" in said:
        return f"the sockets it makes below {folder} would have names of over 107 bytes. {_SHORT_FOLDER}."
    if not os.access(folder, os.W_OK):
        return f"it keeps its files in {folder}, which cannot be written. {_SHORT_FOLDER}."
    free = shutil.disk_usage(folder).free
    if free < _LEAST_DISK:
        return (
            f"the disk is full where it keeps its files ({folder}, {free >> 20} MB left). Free some of it. "
            f"{_SHORT_FOLDER}, on another disk."
        )
    if _SHARED_MEMORY.is_dir() and not os.access(_SHARED_MEMORY, os.W_OK):
        return (
            f"its object store lies in {_SHARED_MEMORY}, which cannot be written. In a container, give it "
            "one: docker run --shm-size=4g, or an emptyDir with medium: Memory."
        )
    free = free_memory()
    if free < _LEAST_MEMORY:
        return f"{free >> 20} MB of memory are free, and it takes about 1 GB. End what else runs here."
    for limit in _LIMITS:
        if too_low := _too_low(*limit):
            return too_low
    port = os.environ.get("RAY_GCS_SERVER_PORT")
    if port and "GCS" in said:
        return f"the port that RAY_GCS_SERVER_PORT names, {port}, is taken. Unset it, or choose another."
    return f"{said} Its own account lies in {folder}/ray/session_latest/logs."


def _too_low(limit: int, option: str, what: str, least: int) -> str:
    allowed = resource.getrlimit(limit)[1]  # up to which Ray raises its own
    if allowed == resource.RLIM_INFINITY or allowed >= least:
        return ""
    return f"{allowed:,} {what} are allowed (ulimit -{option}), too few. Raise that to {least:,} or more."
