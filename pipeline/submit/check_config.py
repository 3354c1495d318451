"""A config file of a command that is to be sent: what is wrong in it, whatever options come with it."""

from pathlib import Path

from pydantic import ValidationError

from maccap.config import Config
from pipeline.run.config import explain, read_settings
from pipeline.storage.errors import UserError


def check_config(model: type[Config], path: Path) -> None:
    """Raises UserError for a file that cannot be read, an unknown key, and a value of another kind, by the
    `model` of the command's settings. How keys go together may depend on options, and is for the command to
    say.
    """
    try:
        model.model_validate(read_settings(path))
    except ValidationError as error:
        if any(problem["loc"] and problem["type"] != "missing" for problem in error.errors()):
            raise UserError(explain(path, error, {"": model})) from None
