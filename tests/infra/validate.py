"""Against the schemas beside this file, and with the linters of the environment."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from tests.commands import REPOSITORY, SCRIPTS
from tests.infra.trim_schemas import load

INFRA = REPOSITORY / "infra"


def problems(kind: str, one: dict[str, Any]) -> list[str]:
    """What the schema of `kind` has against an object: a path and a reason each."""
    schema = load(kind)
    validator = Draft7Validator if "draft-07" in schema.get("$schema", "") else Draft202012Validator
    return [
        f"{'.'.join(map(str, each.absolute_path))}: {each.message}"
        for each in validator(schema).iter_errors(one)
    ]


def lint(linter: str, file: Path) -> None:
    """Raises what a linter of pyproject's `dev` says of a file; skips where it is not installed."""
    program = shutil.which(linter, path=str(SCRIPTS)) or shutil.which(linter)
    if program is None:
        pytest.skip(f"{linter} is not installed")
    done = subprocess.run([program, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def container_of(pod: dict[str, Any]) -> dict[str, Any]:
    [container] = pod["containers"]
    return dict(container)


def size(quantity: str) -> int:
    """Bytes of a quantity such as 8Gi."""
    return int(quantity.removesuffix("Gi")) << 30
