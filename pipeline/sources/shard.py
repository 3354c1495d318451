"""The shard: what one read task reads, as plain data that is recorded with a run's plan."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Generic, Self, TypeVar

from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable, redacted

_IN_A_RECORD = {"source": "kind"}  # by the name that plans have had since version 0.1.0


@dataclass(frozen=True)
class ShardArgs:
    """What a source needs to read one shard beside its URL. A source with more to say has a subclass."""

    @classmethod
    def of(cls, recorded: dict[str, Any]) -> Self:
        """From a record, whose other fields are passed over."""
        return cls(**{f.name: recorded[f.name] for f in fields(cls) if f.name in recorded})

    def begins(self, shard_id: str) -> str:
        """Where in its URL the shard begins, for shards that share one."""
        return ""

    def names_as(self, other: "ShardArgs") -> bool:
        """Whether rows get the same ids with either."""
        return True

    def public(self) -> Self:
        """Without the secrets of any URL."""
        return self


@dataclass(frozen=True)
class ImageRoot(ShardArgs):
    """Of a file that names images by path: they lie below `root`, absolute paths too if it is `confined`."""

    root: str = ""
    confined: bool = False

    def public(self) -> Self:
        return type(self)(**{**asdict(self), "root": redacted(self.root)})


A = TypeVar("A", bound=ShardArgs, covariant=True)
B = TypeVar("B", bound=ShardArgs)


@dataclass(frozen=True)
class Shard(Generic[A]):
    """One read task: a file, or some of the files of a folder, or of the entries of a list.

    `id` is relative to the SOURCE and so the same on every machine, and `source` the name of the
    `pipeline.sources.source.Source` that planned it and reads it. `size` in bytes and `state` tell one
    version of its content from another. The ids of its samples begin with `prefix`, where that source has
    it so. Of a shard with a `limit`, only so many samples count.
    """

    id: str
    source: str
    url: str
    args: A
    size: int = 0
    state: str = ""
    prefix: str = ""
    limit: int | None = None

    def to_json(self) -> str:
        """ASCII, so that file names which are not valid Unicode survive the journey."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "args"}
        return json.dumps({**{_IN_A_RECORD.get(k, k): v for k, v in own.items()}, **asdict(self.args)})

    @classmethod
    def of(cls, recorded: dict[str, Any], args: type[A]) -> Self:
        """From a record, with the args of its source."""
        names = [f.name for f in fields(cls) if f.name != "args"]
        own = {name: recorded[r] for name in names if (r := _IN_A_RECORD.get(name, name)) in recorded}
        return cls(**own, args=args.of(recorded))


def changed(shard: Shard) -> UserError:
    """The error for a shard that is not what the run was planned on."""
    return UserError(
        f"{printable(redacted(shard.url))} has changed since this run was planned (shard "
        f"{printable(shard.id)}). Start the same command with --accept-changed to caption it as it is now."
    )
