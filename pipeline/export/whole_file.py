"""A large file that appears whole or not at all, written as it is made: it is never held in memory."""

import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.storage.files import is_local, locate
from pipeline.storage.folder import Folder, writing
from pipeline.storage.retries import storage

_TEMPORARY = re.compile(r"\.(.+\.)?[0-9a-f]{32}\.tmp")  # of `whole_file` and of `Folder.write`


@contextmanager
def whole_file(url: str) -> Iterator[BinaryIO]:
    """A file to write, which is at `url` once the block has ended, over what was there; where the
    block raises nothing changes. Behind a URL other than this machine's it is first written to the
    disk (TMPDIR) and then sent.

    Raises RunError, with what to fix, where the storage does not take it.
    """
    filesystem, path = locate(url)
    with writing(url):
        if is_local(filesystem):
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{uuid.uuid4().hex}.tmp")
        else:
            temporary = Path(tempfile.gettempdir()) / f"maccap-{uuid.uuid4().hex}.tmp"
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if is_local(filesystem):
                temporary.replace(path)
            else:
                storage(filesystem.makedirs, path.rpartition("/")[0], exist_ok=True)
                storage(filesystem.put_file, str(temporary), path)
        finally:
            temporary.unlink(missing_ok=True)


def remove_temporaries(url: str) -> None:
    """Clear what killed writers left half written in a folder that nobody should write any more."""
    folder = Folder(url)
    for name in folder.names() if is_local(locate(url)[0]) else ():
        if _TEMPORARY.fullmatch(name):
            folder.remove(name)
