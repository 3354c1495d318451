"""Environment variables that go along with a job: those that are asked for by name, and no others."""

import os
import re
from collections.abc import Mapping, Sequence

from pipeline.storage.errors import UserError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OF_STORAGE = re.compile(
    r"(AWS|AZURE|GOOGLE|HF|HUGGING_FACE)_\w*(KEY|TOKEN|SECRET|CREDENTIAL|PROFILE|ENDPOINT|CONNECTION)\w*"
)
_STOP_SECONDS = "60"
"""Ray itself kills a job three seconds after it asked it to stop."""


def sent_variables(asked: Sequence[str], here: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Of `NAME=VALUE`, or `NAME` with its value here. Raises UserError."""
    found: dict[str, str] = {}
    for text in asked:
        name, equals, value = text.partition("=")
        if not _NAME.fullmatch(name):
            raise UserError("--env: give NAME, or NAME=VALUE, with a name of letters, digits and _")
        if not equals and name not in here:
            raise UserError(f"--env {name}: the variable is not set here. Set it, or give {name}=VALUE.")
        found[name] = value if equals else here[name]
    return found


def not_sent(asked: Mapping[str, str], here: Mapping[str, str] = os.environ) -> list[str]:
    """Names of variables of storages that are set here, and stay here."""
    return sorted(name for name in here if _OF_STORAGE.fullmatch(name) and name not in asked)


def for_job(asked: Mapping[str, str]) -> dict[str, str]:
    """All that the job's own processes get: with time to end when it is stopped."""
    return {"RAY_JOB_STOP_WAIT_TIME_S": _STOP_SECONDS, **asked}
