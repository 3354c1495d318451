"""The model that a worker opens is the run's, on whichever node."""

import socket
from functools import cache
from pathlib import Path

from maccap.bundle import Bundle
from pipeline.storage.errors import UserError
from pipeline.storage.redact import describe, redacted


@cache
def folder_of_model(model: str, fingerprint: str) -> Path:
    """The folder of the bundle at `model` on this node: a copy where that is a URL. Hashed once a process.

    Raises UserError where it is another than the run's: a node's own under the same path, another version
    of this package, or one that was written over the run's since.
    """
    node = socket.gethostname()
    try:
        bundle = Bundle.open(model)
        found = bundle.fingerprint
    except (OSError, ValueError) as error:
        raise UserError(f"model {redacted(model)} cannot be opened on {node}: {describe(error)}") from None
    if found != fingerprint:
        raise UserError(
            f"model {redacted(model)} is another on {node} than the run's (fingerprint {found[:12]}, the run "
            f"has {fingerprint[:12]}; there it lies in {bundle.folder}). Put the run's model there."
        )
    return bundle.folder
