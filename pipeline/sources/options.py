"""What a person may say about a SOURCE: the same fields in the config, in `run.json` and where it is read."""

from typing import Literal, Self

from pydantic import Field

from maccap.config import Config

KeyRule = Literal["first-dot", "last-dot"]
KeySetting = Literal["auto", "first-dot", "last-dot"]
"""Where the names of a tar's members split into a sample's key and an extension (`pipeline.sources.keys`)."""


class SourceOptions(Config):
    """Options of all sources; each reads those that are its own. A new one is a field here: it is then a key
    of the config file and a fact of the run, and reaches `Source.plan`.
    """

    image_root: str | None = Field(
        default=None,
        description="the folder of images that Parquet or COCO name by path; default: the naming file's",
    )
    image_column: str | None = Field(default=None, description="Parquet's column of images")
    keys: KeySetting = Field(
        default="auto",
        description="where names in tars split into key and extension: at the first dot, as WebDataset has "
        "it, or at the last; auto: as a tar's own names pair up",
    )

    @classmethod
    def of(cls, settings: "SourceOptions") -> Self:
        """The options alone, of a config or of a run's facts."""
        return cls(**{name: getattr(settings, name) for name in SourceOptions.model_fields})
