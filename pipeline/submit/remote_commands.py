"""The commands that can be sent to a cluster, and which of their parameters name files and folders."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteCommand:
    """Parameters by the names that the command's function has for them.

    `files` travel with the job where they lie on this machine, and so do `bundles`, which are folders.
    `places` are looked for by the cluster. `subject` is the one that the job is known by, which the command
    `writes` or else only reads.
    """

    subject: str
    places: frozenset[str]
    files: frozenset[str] = frozenset()
    bundles: frozenset[str] = frozenset()
    writes: bool = True
    part: tuple[str, ...] = ()
    """Those that let several commands share one OUTPUT."""
    other_model: frozenset[str] = frozenset()
    """Those with which the built-in model is not needed; without any, it never is."""


_ARCHIVE = RemoteCommand(
    subject="output",
    places=frozenset({"source", "output", "image_root"}),
    files=frozenset({"config", "score_head"}),
    bundles=frozenset({"model"}),
    part=("partition", "shards"),
    other_model=frozenset({"model"}),
)

REMOTE_COMMANDS = {
    "caption": _ARCHIVE,
    "ask": RemoteCommand(
        **{**vars(_ARCHIVE), "files": _ARCHIVE.files | {"questions", "answers"}},
    ),
    "train": RemoteCommand(
        subject="output",
        places=frozenset({"output", "cache", "clip", "llm"}),
        files=frozenset({"captions", "config"}),
        bundles=frozenset({"init"}),
        other_model=frozenset({"init", "clip"}),
    ),
    "embed": RemoteCommand(subject="work", places=frozenset({"work", "output"})),
    "evaluate": RemoteCommand(
        subject="run",
        places=frozenset({"run", "compare", "clip", "export", "output"}),
        files=frozenset({"references", "instances", "synonyms", "answers"}),
        writes=False,
        other_model=frozenset({"clip"}),
    ),
    "export": RemoteCommand(
        subject="output", places=frozenset({"run", "output"}), files=frozenset({"images"})
    ),
    "report": RemoteCommand(
        subject="run",
        places=frozenset({"run", "folder"}),
        files=frozenset({"evaluation"}),
        bundles=frozenset({"model"}),
        writes=False,
        other_model=frozenset({"model"}),
    ),
    "verify": RemoteCommand(subject="run", places=frozenset({"run"}), writes=False),
}

NAMES_TOO = frozenset({"clip", "llm"})
"""Parameters that may be the name of a model as well as a folder."""
KEYWORDS = frozenset({"metadata"})
"""Values that stand for no file."""
