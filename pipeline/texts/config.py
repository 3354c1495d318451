"""How caption files are read and cleaned."""

from pydantic import Field

from maccap.config import Config


class TextConfig(Config):
    """Settings of `load_captions`."""

    column: str | None = Field(
        default=None,
        description="of tables and records, or its number where a table has no header; default: caption, or "
        "another known name (see pipeline/texts/columns.py)",
    )
    splits: tuple[str, ...] | None = Field(
        default=None,
        description="of files that name splits, or whose names in a folder do (train, val, test); default: "
        "train and restval where there are such, else all",
    )
    max_characters: int = Field(default=400, ge=1, description="a longer caption is dropped")
