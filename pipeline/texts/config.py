"""How caption files are read and cleaned."""

from pydantic import Field

from maccap.config import Config


class TextConfig(Config):
    """Settings of `load_captions`."""

    column: str = Field(default="caption", description="of jsonl, csv, tsv and Parquet files")
    splits: tuple[str, ...] | None = Field(
        default=None,
        description="of files that name splits; left out: train and restval where there are such, else all",
    )
    max_characters: int = Field(default=400, ge=1, description="a longer caption is dropped")
