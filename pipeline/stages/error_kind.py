"""The kind of an error of an image: what stands before the details."""

import re

_DETAIL = re.compile(r"\S*[\d/\\]\S*|'[^']*'|\"[^\"]*\"")

OTHERS = "other errors"


def kind_of(error: str) -> str:
    """For instance `damaged image` of `damaged image: broken stream`; numbers and names become `…`."""
    return _DETAIL.sub("…", error.split(": ", 1)[0][:200]).strip() or OTHERS
