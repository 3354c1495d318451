"""From CAPTIONS to a `CaptionSet`: every file is read once, one caption at a time."""

import io
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from typing import Any

from pipeline.storage.errors import UserError
from pipeline.storage.files import is_local, read_bytes
from pipeline.storage.redact import printable
from pipeline.texts.caption_set import CaptionSet, Dropped
from pipeline.texts.clean import Reason, clean
from pipeline.texts.config import TextConfig
from pipeline.texts.files import CaptionFile, CaptionFiles, caption_files
from pipeline.texts.found import Found, NoCaptionsError, Note
from pipeline.texts.read import place_unit, read_file
from pipeline.texts.splits import plain_split

TRAINING_SPLITS = ("train", "restval")  # Karpathy's names

_FETCHED_AT_ONCE = 32
_SMALL_BYTES = 1 << 20


def load_captions(sources: Sequence[str], config: TextConfig | None = None) -> CaptionSet:
    """Read, clean and count the captions of all `sources`: paths, folders, patterns or URLs.

    Captions without a split are always read. Of those with one, by their record or by the name of their file
    in a folder, `config.splits` are read; where it is left out, train and restval are, if any of the files
    has them, and else all. Raises UserError, with one line, where a source cannot be read, a split is not
    there, or no caption is left.
    """
    config = config or TextConfig()
    selection = caption_files(sources)
    counter = _Counter(config, selection)
    for file, opened in _read_ahead(selection.files):
        counter.count(file, partial(read_file, file, config.column, opened=opened))
    return counter.result()


def _read_ahead(files: Sequence[CaptionFile]) -> Iterator[tuple[CaptionFile, Callable[[], Any] | None]]:
    """Each file, and what opens it where it was fetched before: small files far away, many at a time, for
    each would else cost a wait of its own.
    """
    pool = ThreadPoolExecutor(_FETCHED_AT_ONCE, "maccap-texts")
    waiting: deque[tuple[CaptionFile, Callable[[], Any] | None]] = deque()
    try:
        for file in files:
            opened = None
            if file.size is not None and file.size <= _SMALL_BYTES and not is_local(file.filesystem):
                opened = partial(_opened, pool.submit(read_bytes, file.filesystem, file.path))
            waiting.append((file, opened))
            if len(waiting) > 4 * _FETCHED_AT_ONCE:
                yield waiting.popleft()
        yield from waiting
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _opened(fetched: Future[bytes]) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(fetched.result()))


class _Counter:
    """Decides for every caption whether it is kept, and counts."""

    def __init__(self, config: TextConfig, selection: CaptionFiles) -> None:
        self._selection = selection
        self._forms: dict[str, tuple[int, str]] = {}
        self._refusal: NoCaptionsError | None = None
        self._max_characters = config.max_characters
        self._asked = config.splits and tuple(map(plain_split, config.splits))
        self._wanted = self._asked
        self._by_name: dict[str, set[str]] = {}  # files of a split that nothing but their names tells
        self._splits: dict[str, None] = {}
        # what other splits hold, until it is known whether there is one to train on
        self._aside: list[tuple[CaptionFile, Found]] = []
        self._kept: dict[str, int] = {}
        self._images = array("Q")
        self._dropped = {reason: Dropped() for reason in Reason}
        self._read = 0
        self._sources: list[str] = []
        self._without_captions: list[str] = []

    def count(self, file: CaptionFile, read: Callable[[Note], Iterable[Found]]) -> None:
        """Raises UserError where the file cannot be read, or was named and holds no captions."""
        number = 0
        forms: dict[str, None] = {}
        broken = self._dropped[Reason.BROKEN]
        before = Dropped(broken.count, list(broken.examples))
        name = printable(file.name)
        try:
            for number, found in enumerate(read(lambda form: forms.setdefault(form)), 1):  # noqa: B007
                self._see(file, found)
        except NoCaptionsError as error:
            if file.named:
                raise
            # whatever it held so far were broken records
            self._dropped[Reason.BROKEN] = before
            self._refusal = self._refusal or error
            self._selection.left_out.add(error.kind, name.rsplit("/", 1)[-1])
            return
        self._read += number
        self._sources.append(name)
        for form in forms:
            count, first = self._forms.get(form, (0, name.rsplit("/", 1)[-1]))
            self._forms[form] = (count + 1, first)
        if not number:
            self._without_captions.append(name)

    def _see(self, file: CaptionFile, found: Found) -> None:
        if found.split is not None:
            found = found._replace(split=plain_split(found.split))
        elif file.split is not None and not found.broken:
            found = found._replace(split=file.split)
            self._by_name.setdefault(file.split, set()).add(file.name)
        if found.split is not None and found.split not in self._splits:
            self._splits[found.split] = None
            if self._wanted is None and found.split in TRAINING_SPLITS:
                self._wanted = TRAINING_SPLITS
                self._take_from_aside()
        if found.split is not None and self._wanted is None:
            self._aside.append((file, found))
        else:
            self._take(file, found)

    def result(self) -> CaptionSet:
        self._take_from_aside()
        wanted = self._wanted or tuple(self._splits)
        missing = [split for split in self._asked or () if split not in self._splits]
        if missing:
            there = (
                f"the splits there are {', '.join(self._splits)}" if self._splits else "no file names splits"
            )
            raise UserError(f"no caption is of split {', '.join(missing)}: {there}.")
        dropped = {reason: dropped for reason, dropped in self._dropped.items() if dropped.count}
        splits = [split for split in self._splits if split in wanted]
        captions = CaptionSet(
            texts=list(self._kept),
            repeats=list(self._kept.values()),
            read=self._read,
            dropped=dropped,
            sources=self._sources,
            splits=splits,
            without_captions=self._without_captions,
            images=self._images,
            notes=list(self._notes()),
        )
        if not captions.texts:
            raise UserError(str(self._refusal or _nothing_left(captions)))
        return captions

    def _notes(self) -> Iterator[str]:
        yield from self._selection.taken
        for form, (count, first) in self._forms.items():
            yield f"{first if count == 1 else f'{count:,} files like {first}'}: {form}"
        if len(self._by_name) > 1:
            told = ", ".join(f"{split}: {len(files):,}" for split, files in self._by_name.items())
            yield f"splits by the files' names ({told}); --split takes others"
        yield from self._selection.left_out.lines()

    def _take_from_aside(self) -> None:
        aside, self._aside = self._aside, []
        for file, found in aside:
            self._take(file, found)

    def _take(self, file: CaptionFile, found: Found) -> None:
        text, reason = self._judge(found)
        if reason is None:
            self._kept[text] = self._kept.get(text, 0) + 1
            if self._kept[text] > 1:
                reason = Reason.DUPLICATE
            else:
                self._images.append(_image_number(file, found))
        if reason is not None:
            self._dropped[reason].add(file.name, f"{place_unit(file)} {found.place}", text)

    def _judge(self, found: Found) -> tuple[str, Reason | None]:
        if found.split is not None and self._wanted is not None and found.split not in self._wanted:
            return found.text or "", Reason.OTHER_SPLIT
        if found.broken:
            return "", Reason.BROKEN
        return clean(found.text or "", self._max_characters)


def _image_number(file: CaptionFile, found: Found) -> int:
    of = repr((file.name, found.place if found.image is None else found.image))
    return int.from_bytes(blake2b(of.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")


def _nothing_left(captions: CaptionSet) -> str:
    files = captions.sources[0] if len(captions.sources) == 1 else f"{len(captions.sources):,} files"
    if not captions.read:
        return f"there is no caption in {files}. Check that it was written to its end."
    reasons = "; ".join(f"{dropped.count:,} {reason}" for reason, dropped in captions.dropped.items())
    example = str(next(iter(captions.dropped.values())).examples[0])
    return (
        f"none of the {captions.read:,} captions in {files} can be used: {reasons}. The first is {example}."
    )
