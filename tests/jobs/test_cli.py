import sys

from tests.commands import maccap, run


def test_help_needs_neither_torch_nor_ray() -> None:
    program = """
import sys
sys.argv = ["maccap", "caption", "--help"]
from jobs.cli import main
try:
    main()
finally:
    loaded = {"torch", "ray", "transformers", "open_clip"} & set(sys.modules)
    assert not loaded, loaded
"""
    done = run([sys.executable, "-c", program])
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
