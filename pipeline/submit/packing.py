"""What travels with a job: one zip of this project's packages and the files that its arguments name.

Ray unpacks it on every node that works for the job, and runs the command in it, so that its `jobs` and
`pipeline` are found before any others. The same content is the same package, which is sent once.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from maccap.runtime.own_packages import FOLDER, NAMES
from pipeline.storage.errors import UserError

MOST_BYTES = 95 << 20  # the dashboard refuses requests of more than 100 MB
_BUNDLES = Path("maccap", "bundles")
_THEN = (1980, 1, 1, 0, 0, 0)


def own_files(own_models: bool) -> Iterator[tuple[str, Path]]:
    """Names and files of this project's packages, in order; its own models only if one is needed."""
    for package in NAMES:
        for path in sorted((FOLDER / package).rglob("*")):
            name = path.relative_to(FOLDER)
            if path.suffix == ".pyc" or not path.is_file() or "__pycache__" in name.parts:
                continue
            if own_models or not name.is_relative_to(_BUNDLES):
                yield name.as_posix(), path


def pack(target: Path, code: Iterable[tuple[str, Path]], files: Mapping[str, Path | bytes]) -> Path | None:
    """Write the package to `target`; None where there is nothing to send. Raises UserError for a file that
    cannot be read, and a package that is too large.
    """
    contents = [*code, *files.items()]
    if not contents:
        return None
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in contents:
                entry = zipfile.ZipInfo(name, _THEN)
                entry.external_attr = 0o644 << 16
                data = content if isinstance(content, bytes) else content.read_bytes()
                package.writestr(entry, data, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise UserError(f"the package of the job cannot be made: {error}") from None
    size = target.stat().st_size
    if size > MOST_BYTES:
        with zipfile.ZipFile(target) as package:
            largest = max(package.infolist(), key=lambda entry: entry.compress_size)
        raise UserError(
            f"what travels with the job has {size >> 20} MB, of which a cluster takes {MOST_BYTES >> 20}; "
            f"the largest is {largest.filename}. Put it where the cluster reads it, and give its URL."
        )
    return target
