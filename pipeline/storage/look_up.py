"""What a storage says of one file, there or not."""

import posixpath
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.storage.files import file_info, locate
from pipeline.storage.listing import Entry, entry_of
from pipeline.storage.retries import Retries, storage
from pipeline.storage.urls import WEB

MISSING = "missing"
"""The state of a file that is not there."""

_AT_ONCE = 32
_few_tries = Retries(attempts=2, seconds=20)  # of a web address that may be dead: reading it says so


def look_up(url: str) -> Entry:
    """The file as its storage has it. One that is not there is of state `MISSING`; one that a web server does
    not tell of has none, and reading it will tell. Raises OSError.
    """
    ask: Callable[..., Any] = _few_tries if url.startswith(WEB) else storage
    try:
        filesystem, path = locate(url)
        return entry_of(file_info(filesystem, path, ask))
    except FileNotFoundError:
        return Entry(posixpath.basename(url), url, 0, MISSING, is_folder=False)
    except OSError:
        if not url.startswith(WEB):
            raise
        return Entry(posixpath.basename(url), url, 0, "", is_folder=False)


def look_up_all(urls: Iterable[str]) -> dict[str, Entry]:
    """Each of them, many asked at once."""
    asked = list(urls)
    with ThreadPoolExecutor(min(_AT_ONCE, len(asked) or 1)) as pool:
        return dict(zip(asked, pool.map(look_up, asked), strict=True))
