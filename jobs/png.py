"""A picture that a command writes to a file."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


def require_png(argument: str, file: Path) -> None:
    """Raises UserError, which names `argument`, for a file of another kind."""
    from pipeline.storage.errors import UserError

    if file.suffix.lower() != ".png":
        raise UserError(f"{argument} {file} must end in .png.")


def write_png(argument: str, file: Path, picture: "Image") -> None:
    """Make its folder too. Raises UserError, which names `argument`."""
    from pipeline.inspect.drawing import to_png
    from pipeline.storage.errors import UserError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(to_png(picture))
    except OSError as error:
        raise UserError(f"{argument} {file} cannot be written: {error}") from None
