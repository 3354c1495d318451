"""The export formats, from their classes."""

from docs.generate.tables import table
from pipeline.export.registry import FORMATS


def formats() -> str:
    """A row for each format, in the order of the help."""
    return table(["`--format`", ""], [(f"`{name}`", one.about) for name, one in FORMATS.items()])
