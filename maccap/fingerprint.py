"""Fingerprints tell models and bundles apart, wherever they lie."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

_BLOCK = 1 << 20


def fingerprint(settings: str, files: Mapping[str, Path]) -> str:
    """SHA-256 of `settings`, and of each file's name, size and content, in the order given."""
    digest = sha256(settings.encode())
    for name, path in files.items():
        with path.open("rb") as file:
            digest.update(f"\0{name}\0{path.stat().st_size}\0".encode())
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()
