"""The report's folder: there whole or not at all, and put in the place of an older report alone."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.report.page import PAGE_FILE
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe

MARK = '<meta name="generator" content="maccap report">'
"""In the head of every report's page: a folder whose page has it may be written again."""
_HEAD = 2000  # bytes of the page in which the mark stands


@contextmanager
def report_folder(target: Path) -> Iterator[Path]:
    """A new folder to write the report in; at the end of the block it becomes `target`. Raises UserError
    where something else is there, or nothing can be written; what is there then stays.
    """
    try:
        _check(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UserError(f"FOLDER {target} cannot be written: {describe(error)}") from None
    try:
        new.chmod(0o755)  # others may look, as in any folder
        yield new
        _replace(new, target)
    except OSError as error:
        raise UserError(f"FOLDER {target} cannot be written: {describe(error)}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _check(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UserError(f"FOLDER {target} is not a folder. Name a new one.")
    if target.is_dir() and any(target.iterdir()) and not _is_report(target):
        raise UserError(f"FOLDER {target} holds something else than a report. Name a new or an empty folder.")


def _is_report(folder: Path) -> bool:
    with suppress(OSError), (folder / PAGE_FILE).open("rb") as page:
        return MARK.encode() in page.read(_HEAD)
    return False


def _replace(new: Path, target: Path) -> None:
    _check(target)  # what came in between is not ours to remove
    if not target.exists():
        new.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)) / target.name
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    finally:
        shutil.rmtree(old.parent, ignore_errors=True)
