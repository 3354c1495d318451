"""Python and the installed packages, against the requirements that this package was installed with."""

import platform
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from maccap import __version__
from pipeline.doctor.check import Finding

PACKAGE = "maccap"
SERVES = {
    "plots": "`analyze`, and training.png of `train`",
    "tensorboard": "TensorBoard's files of `train`",
    "eval": "BLEU, METEOR, ROUGE-L and CIDEr-D of `evaluate`",
    "export": "`export --where`",
    "s3": "s3:// URLs",
    "gs": "gs:// URLs",
    "heic": "HEIC images",
    "jxl": "JPEG XL images",
    "imagecodecs": "12-bit and lossless JPEG, and rare TIFF",
}
"""What each extra of pyproject.toml is for; those without a line are not checked."""


def packages() -> Iterator[Finding]:
    try:
        metadata.metadata(PACKAGE)
    except metadata.PackageNotFoundError:  # as where `ray job submit` has sent the folder
        text = f"Python {platform.python_version()}; maccap is not installed, but runs from its folder"
        yield Finding("warning", f"{text}: what it requires is not checked", "pip install -e .")
        return
    yield from python()
    yield from required()
    yield from extras()


def python() -> Iterator[Finding]:
    version = platform.python_version()
    here = f"Python {version} ({platform.python_implementation()}, {platform.machine()})"
    wanted = SpecifierSet(metadata.metadata(PACKAGE)["Requires-Python"] or "")
    if wanted.contains(version, prereleases=True):
        yield Finding("ok", here)
    else:
        yield Finding("fault", f"{here}, and {wanted} is needed", f"Install into a Python {wanted}.")


def required() -> Iterator[Finding]:
    """The packages that every command needs."""
    needed = [each for each in _requirements() if _applies(each)]
    wrong = [each for each in needed if _why_not(each)]
    for each in wrong:
        yield Finding("fault", f"{each.name} {_why_not(each)}", f"pip install '{_plain(each)}'")
    if not wrong:
        yield Finding("ok", f"maccap {__version__} and the {len(needed)} packages that it requires")
    if (installed := metadata.version(PACKAGE)) != __version__:
        text = f"the code is of version {__version__}, but was installed as {installed}"
        yield Finding(
            "warning", f"{text}, by whose requirements this goes", "Install it again: pip install -e ."
        )


def extras() -> Iterator[Finding]:
    """The packages that few commands need."""
    complete = []
    for extra, purpose in SERVES.items():
        needed = [each for each in _requirements() if each.marker and _applies(each, extra)]
        wrong = [f"{each.name} {_why_not(each)}" for each in needed if _why_not(each)]
        if wrong:
            yield Finding("optional", f"{', '.join(wrong)}: no {purpose}", f"pip install 'maccap[{extra}]'")
        else:
            complete.append(purpose)
    if complete:
        yield Finding("ok", f"installed for {'; '.join(complete)}")


def _requirements() -> list[Requirement]:
    return [Requirement(line) for line in metadata.requires(PACKAGE) or ()]


def _applies(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _why_not(requirement: Requirement) -> str:
    """Why the package does not do; empty if it does."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return "is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"is {version}, and {requirement.specifier} is needed"


def _plain(requirement: Requirement) -> str:
    """Without its marker, as pip takes it."""
    return str(requirement).partition(";")[0].strip()
