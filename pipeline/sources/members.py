"""The members of one WebDataset sample, held to its limits as they come."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

from pipeline.formats.extensions import is_image, is_known, is_text, shows_an_image
from pipeline.formats.image_format import HEAD_BYTES
from pipeline.formats.tar import MemberError
from pipeline.sources.text_members import MAX_TEXT, metadata_of

_MEMBER = 512  # bytes that a member takes without its content and name


@dataclass(frozen=True)
class SampleMember:
    """A member's size and what reads it, or why it is not read; empty where nothing wants it."""

    size: int = 0
    read: Callable[[], bytes] = bytes
    problem: str | None = None


class SampleMembers:
    """The members of one sample by extension, of `max_bytes` together at most.

    A sample of more is given in parts, each with the texts so far: all its images become rows. Where none is
    an image by its name, a member whose name tells nothing may be one by its first bytes.
    """

    def __init__(self, key: str, max_bytes: int) -> None:
        self.key = key
        self.is_continuation = False
        self._max_bytes = self._room = max_bytes
        self._members: dict[str, SampleMember] = {}
        self._unnamed: dict[str, None] = {}

    def __contains__(self, extension: str) -> bool:
        return extension in self._members

    def has_room(self, extension: str, size: int) -> bool:
        """Whether a member of `size` bytes still belongs into this part."""
        return not self._members or self._room >= self._cost(extension) + (size if is_image(extension) else 0)

    def continued(self) -> Self:
        """The next part of the same sample, empty but for its texts."""
        following = type(self)(self.key, self._max_bytes)
        following.is_continuation = self.is_continuation or bool(self.images)
        following._members = {
            extension: member for extension, member in self._members.items() if is_text(extension)
        }
        return following

    def add(self, extension: str, size: int, read: Callable[[], bytes], later: bool = False) -> None:
        """`read` is called at once, unless it can be `later`. Raises what it raises but MemberError, which is
        the member's problem.
        """
        member = self._member(extension, size, read, later)
        self._members[extension] = member
        self._room -= self._cost(extension) + (0 if later else member.size)

    def _cost(self, extension: str) -> int:
        return _MEMBER + len(self.key) + len(extension)

    def _member(self, extension: str, size: int, read: Callable[[], bytes], later: bool) -> SampleMember:
        if not (is_image(extension) or is_text(extension)):
            return SampleMember() if is_known(extension) else self._unnamed_member(extension, size, read)
        limit, setting = (self._max_bytes, " (max_bytes)") if is_image(extension) else (MAX_TEXT, "")
        if size > limit:
            name = f"{posixpath.basename(self.key)}.{extension}"[-100:]
            problem = f"{name} has {size} bytes, more than the limit{setting}; it was not read"
            return SampleMember(problem=problem)
        if later:
            return SampleMember(size, read)
        try:
            content = read()
        except MemberError as error:
            return SampleMember(problem=str(error))
        return SampleMember(size, partial(bytes, content))

    def _unnamed_member(self, extension: str, size: int, read: Callable[[], bytes]) -> SampleMember:
        if self._named_images() or size > self._room:
            return SampleMember()
        try:
            content = read()
        except MemberError:
            return SampleMember()
        if not shows_an_image(content[:HEAD_BYTES]):
            return SampleMember()
        self._unnamed[extension] = None
        return SampleMember(size, partial(bytes, content))

    @property
    def images(self) -> dict[str, SampleMember]:
        return self._named_images() or {extension: self._members[extension] for extension in self._unnamed}

    def _named_images(self) -> dict[str, SampleMember]:
        return {extension: member for extension, member in self._members.items() if is_image(extension)}

    @property
    def is_bare(self) -> bool:
        """Whether there is but a file without an extension, such as `LICENSE`, which is no image."""
        return self._members.keys() == {""} and not self._unnamed

    @property
    def names(self) -> str:
        return (", ".join(sorted(self._members)) or "nothing")[:300]

    def metadata(self) -> str | None:
        """The sample's texts (`metadata_of`); one that could not be read is a note, and no image suffers."""
        texts: dict[str, bytes] = {}
        notes: dict[str, str] = {}
        for extension, member in self._members.items():
            if not is_text(extension):
                continue
            try:
                if member.problem:
                    raise MemberError(member.problem)
                texts[extension] = member.read()
            except MemberError as error:
                notes[extension] = str(error)
        return metadata_of(texts, notes)
