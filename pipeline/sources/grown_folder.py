"""What a folder of images has grown by, set apart, so that what it held before is not captioned again.

A new image lies between two of before, in the range of a shard that is written. The ids of that shard's rows
tell which images were there, and the state that it was planned with that they still are what they were. The
new images between two old ones then become a hole in its range, and the holes together the ranges of new
shards.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from pipeline.sources.folder_range import FolderArgs, ShardDigest
from pipeline.sources.shard import Shard
from pipeline.sources.spans import Parts, Piece, Pieces
from pipeline.sources.tree import walk
from pipeline.storage.files import locate
from pipeline.storage.redact import printable

_MOST_HOLES = 512  # in one shard: more of them would take more room in the plan than they save


@dataclass
class Addition:
    """New images that follow one another: from the first of them to the next old one."""

    first: str
    last: str
    images: int


@dataclass
class _Growth:
    """Of one shard, as its range is walked: the old images by the ids of their rows, and the new ones."""

    ids: Collection[str]
    digest: ShardDigest = field(default_factory=ShardDigest)
    additions: list[Addition] = field(default_factory=list)
    is_open: bool = False  # whether the next new image is one of the last addition

    def add_new(self, path: str, end: str, most: int) -> None:
        if not self.is_open or self.additions[-1].images == most:
            self.close(path)
            self.additions.append(Addition(path, end, 0))
            self.is_open = True
        self.additions[-1].images += 1

    def close(self, path: str) -> None:
        if self.is_open:
            self.additions[-1].last = path
        self.is_open = False


def growth_apart(
    pinned: Sequence[Shard[FolderArgs]],
    changed: Collection[str],
    ids_of: Callable[[Shard], Collection[str] | None],
    files_a_shard: int,
) -> list[Shard[FolderArgs]]:
    """The `pinned` shards of a folder, of which those in `changed` are not what they were, and behind them
    shards for its new images.

    `ids_of` tells the ids of a shard's rows, None where not all are written. A shard stays as it is where
    that is not known, more has changed in it than that images came, or one came that its range begins with.
    Holds the ids of a few shards at a time.
    """
    filesystem, root = locate(pinned[0].url)
    pieces = Pieces([shard.args.span for shard in pinned])
    growths: dict[int, _Growth | None] = {}
    before: Piece | None = None
    for directory, entry in walk(filesystem, root):
        if not directory.is_image(entry.name):
            continue
        path = "/".join((*directory.parts, entry.name))
        piece = pieces.at((*directory.parts, entry.name))
        if piece is not before and before is not None and (left := growths.get(before.owner)):
            left.is_open = False  # up to the end of the piece
            if pieces.is_last_of_owner(before):
                left.ids = ()  # of a few shards at a time are they held
        before = piece
        if pinned[piece.owner].id not in changed:
            continue
        if piece.owner not in growths:
            ids = ids_of(pinned[piece.owner])
            growths[piece.owner] = None if ids is None else _Growth(ids)
        growth = growths[piece.owner]
        if growth is None:
            continue
        if printable(path) in growth.ids:
            growth.close(path)
            growth.digest.add(directory, entry)
        elif len(growth.additions) <= _MOST_HOLES:
            growth.add_new(path, "/".join(piece.end or ()), files_a_shard)
    shards, additions = list(pinned), list[Addition]()
    for number, growth in growths.items():
        shard = pinned[number]
        if growth and growth.digest.state == shard.state and _may_be_holes(shard, growth.additions):
            shards[number] = replace(shard, args=_with_holes(shard.args, growth.additions))
            additions += growth.additions
    additions.sort(key=lambda addition: _parts(addition.first))
    return shards + [replace(pinned[0], args=args) for args in _together(additions, files_a_shard)]


def _may_be_holes(shard: Shard[FolderArgs], additions: Sequence[Addition]) -> bool:
    """Not where an image came at the very beginning of the range: it would begin where another shard does, by
    which shards are told apart.
    """
    return 0 < len(additions) <= _MOST_HOLES and additions[0].first != shard.args.first


def _with_holes(args: FolderArgs, additions: Sequence[Addition]) -> FolderArgs:
    """Without the additions; at the end of its range they shorten that."""
    added = [(addition.first, addition.last) for addition in additions]
    holes = sorted([*args.holes, *added], key=lambda hole: _parts(hole[0]))
    last = args.last
    while holes and holes[-1][1] == last:
        last = holes.pop()[0]
    return replace(args, last=last, holes=tuple(holes))


def _together(additions: Sequence[Addition], files_a_shard: int) -> list[FolderArgs]:
    """Ranges that hold the additions and nothing else, of not many more than `files_a_shard` images each."""
    groups: list[list[Addition]] = []
    images = files_a_shard
    for addition in additions:
        if images + addition.images > files_a_shard:
            groups.append([])
            images = 0
        groups[-1].append(addition)
        images += addition.images
    return [
        FolderArgs(
            group[0].first,
            group[-1].last,
            tuple((one.last, other.first) for one, other in pairwise(group) if one.last != other.first),
        )
        for group in groups
    ]


def _parts(path: str) -> Parts:
    return tuple(path.split("/"))
