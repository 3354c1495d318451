import subprocess
import sys


def _python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120
    )


def test_help_needs_neither_torch_nor_ray() -> None:
    done = _python("""
import sys
sys.argv = ["maccap", "caption", "--help"]
from jobs.cli import main
try:
    main()
finally:
    loaded = {"torch", "ray", "transformers", "open_clip"} & set(sys.modules)
    assert not loaded, loaded
""")
    assert done.returncode == 0, done.stderr
    assert "SOURCE" in done.stdout
    assert "--candidates" in done.stdout


def test_every_command_is_listed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "--help"], check=True, capture_output=True, text=True, timeout=120
    )
    from jobs.cli import COMMANDS

    assert all(name in done.stdout for name in COMMANDS)


def test_a_wrong_option_is_a_usage_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "scenes", "out", "--cuont", "3"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "cuont" in done.stderr
    assert "Traceback" not in done.stderr
