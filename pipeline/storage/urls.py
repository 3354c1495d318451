"""What is a URL, what a chain or a list of them, and what a local path."""

import re
from pathlib import Path

WEB = ("http://", "https://")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
# fsspec's that stand before another URL: `simplecache::s3://bucket/x`, `zip://x::s3://bucket/y.zip`
_LINKS = {"zip", "tar", "libarchive", "simplecache", "filecache", "blockcache", "cached", "dir", "reference"}


def scheme(url: str) -> str | None:
    """Of a URL, in small letters; None for a local path."""
    found = _SCHEME.match(url)
    return found[0].lower() if found else None


def canonical(url: str) -> str:
    """The URL with its schemes in small letters; a local path as it is."""
    parts = url.split("::") if is_chained(url) else [url]
    return "::".join(f"{s}{part[len(s) :]}" if (s := scheme(part)) else part for part in parts)


def split_list(url: str) -> list[str]:
    """The URLs of a list with `::` between them, as webdataset writes it; a chain of fsspec's is one."""
    found: list[str] = []
    for part in url.split("::"):
        if found and _is_link(found[-1].rpartition("::")[2]) and "://" in url:
            found[-1] += f"::{part}"
        else:
            found.append(part)
    return found


def is_chained(url: str) -> bool:
    """Whether it is a chain of fsspec's, as `simplecache::s3://bucket/x`: no name of a file, and no list."""
    return "::" in url and split_list(url) == [url]


def absolute(location: str) -> str:
    """A path, URL, list of them or `@FILE` as every machine and working directory understands it: local paths
    made absolute.
    """
    at = "@" if location.startswith("@") and not Path(location).exists() else ""
    path = location.removeprefix(at)
    parts = split_list(path)
    if len(parts) > 1 and not Path(location).exists():
        return at + "::".join(map(absolute, parts))
    if scheme(path) or path != parts[0]:
        return at + canonical(path)
    return f"{at}{local_path(path).absolute()}"


def local_path(path: str) -> Path:
    """With `~` and `~user` written out, where there is that user: a name may begin so too."""
    try:
        return Path(path).expanduser() if path.startswith("~") else Path(path)  # `./~` is a name
    except RuntimeError:
        return Path(path)


def bare_name(url: str) -> str:
    """In small letters, and of a web address without its query."""
    return (url.partition("?")[0] if url.startswith(WEB) else url).lower()


def parent(url: str) -> str:
    """The folder of a path or URL, with its slash."""
    path = url.partition("?")[0] if url.startswith(WEB) else url
    return path[: path.rfind("/") + 1]


def _is_link(part: str) -> bool:
    return (scheme(part) or part).lower() in _LINKS
