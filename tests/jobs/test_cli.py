import os
import subprocess
import sys

import pytest

from tests.commands import SCRIPTS, maccap, run

ENDS_LIGHT = """
import sys
from jobs.cli import main
try:
    main()
finally:
    loaded = {"torch", "ray", "transformers", "open_clip", "pyarrow"} & set(sys.modules)
    assert not loaded, loaded
"""


def test_help_needs_neither_torch_nor_ray() -> None:
    done = run([sys.executable, "-c", ENDS_LIGHT, "caption", "--help"])
    assert done.returncode == 0, done.stderr
    assert "SOURCE" in done.stdout
    assert "--candidates" in done.stdout


def test_every_command_is_listed() -> None:
    done = run(maccap("--help"))
    from jobs.cli import COMMANDS

    assert all(name in done.stdout for name in COMMANDS)


def test_a_wrong_option_is_a_usage_error() -> None:
    done = run(maccap("scenes", "out", "--cuont", "3"))
    assert done.returncode == 2
    assert "cuont" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ca"], ["caption"]),
        (["caption", "source", "--cand"], ["--candidates"]),
        (["caption", ""], []),  # files, by the shell
        (["caption", "--config", "set"], []),
        (["sheet", "run", "out"], []),
    ],
)
def test_completion_loads_nothing_heavy(words: list[str], completed: list[str]) -> None:
    line = "\n".join(["maccap", *words])
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words)), "_MACCAP_COMPLETE": "complete_bash"}
    program = f"import sys; sys.argv[0] = 'maccap'\n{ENDS_LIGHT}"
    done = run([sys.executable, "-c", program], **asked)
    assert done.stdout.split() == completed
    assert done.stderr == ""


def test_completion_in_bash() -> None:
    """Where nothing of ours fits, `-o default` has bash complete names of files."""
    script = """
eval "$(_MACCAP_COMPLETE=source_bash maccap)"
COMP_WORDS=(maccap ver) COMP_CWORD=1
_maccap_completion maccap ver maccap
echo "${COMPREPLY[@]}"
complete -p maccap
"""
    path = f"{SCRIPTS}:{os.environ['PATH']}"
    bash = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert bash.stdout.splitlines() == ["verify", "complete -o default -F _maccap_completion maccap"]
