"""What few commands need is an extra of the package: a command that lacks it says how to install it."""

from importlib.util import find_spec

from pipeline.storage.errors import UserError

_EXTRAS = {
    "duckdb": "export",
    "matplotlib": "plots",
    "pycocoevalcap": "eval",
    "tensorboardX": "tensorboard",
}


def require(package: str, purpose: str) -> None:
    """Raise UserError with the fix where `package`, which `purpose` needs, is not installed."""
    if find_spec(package) is None:
        raise UserError(f"{purpose} needs {package}: pip install 'maccap[{_EXTRAS[package]}]'")


def missing(packages: dict[str, str]) -> list[str]:
    """A line for each of the packages, given with what it makes, that is not installed."""
    return [
        f"{made} will not be written, for want of {package}: pip install 'maccap[{_EXTRAS[package]}]'"
        for package, made in packages.items()
        if find_spec(package) is None
    ]
