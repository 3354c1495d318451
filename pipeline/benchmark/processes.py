"""This process and those below it, by what they are."""

from collections.abc import Iterator
from contextlib import suppress

import psutil


def process_tree() -> list[psutil.Process]:
    """This process, and then its descendants."""
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def processes_by_kind() -> Iterator[tuple[str, psutil.Process]]:
    """The processes of a run, each with its kind; this one is the driver."""
    driver, *others = process_tree()
    yield "driver", driver
    for process in others:
        with suppress(psutil.Error):  # it has ended
            yield kind_of_process(process.cmdline()), process


def kind_of_process(command: list[str]) -> str:
    """What a process of a local Ray is, by its command line, which Ray's workers change as they work."""
    line = " ".join(command)
    if line.startswith("ray::MapWorker"):
        return "actors with models"
    if line.startswith(("ray::Map", "ray::IDLE")):
        return "read, decode, write"
    if line.startswith("ray::") or "/ray/" in line:
        return "Ray's own"
    return "decoders"
