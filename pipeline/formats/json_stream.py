"""A JSON file one element at a time: what it takes in memory is its largest element, not the file."""

import json
from collections.abc import Iterator
from typing import Any, TextIO

_READ = 1 << 20
_AFTER_A_VALUE = frozenset(",:]} \t\r\n")
_DECODER = json.JSONDecoder(strict=False)  # control characters are for the cleaning to find


def json_object(line: str) -> dict[str, Any] | None:
    """The object that a line is, whole; None for anything else."""
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


class JsonStream:
    """The elements of a JSON file's outermost list, or of the lists in its outermost object."""

    def __init__(self, text: TextIO, start: str = "") -> None:
        """`start` is what was read of the text before."""
        self._text = text
        self._buffer = start
        self._at = 0
        self._read_before = 0

    def elements(self) -> Iterator[tuple[str | None, Any]]:
        """Key of the list and element, in order. What is no list counts as its own only element; the key is
        None where the outermost value is no object. What follows that value is left unread. Raises ValueError
        where the text is not whole JSON.
        """
        start = self.peek()
        if start == "{":
            for _ in self._items("{", "}"):
                key = self._value()
                if not isinstance(key, str):
                    raise ValueError(f"a key is no text before character {self._position():,}")
                self._expect(":")
                yield from ((key, element) for element in self._list_or_value())
        else:
            yield from ((None, element) for element in self._list_or_value())

    def peek(self) -> str:
        """The next character that is no white space, or "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def _list_or_value(self) -> Iterator[Any]:
        if self.peek() != "[":
            yield self._value()
            return
        for _ in self._items("[", "]"):
            yield self._value()

    def _items(self, opening: str, closing: str) -> Iterator[None]:
        """Yields before each item between the brackets, which the caller then takes."""
        self._expect(opening)
        if self.peek() != closing:
            yield
            while self.peek() == ",":
                self._at += 1
                yield
        self._expect(closing)

    def _expect(self, character: str) -> None:
        found = self.peek()
        if found != character:
            what = f"{found!r}" if found else "the end of the file"
            raise ValueError(f"{what} instead of {character!r} at character {self._position():,}")
        self._at += 1

    def _value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if not self._fill():
                    place = self._read_before + error.pos
                    what = error.msg.lower().removesuffix(" at")
                    raise ValueError(f"{what} at character {place:,}") from None
                continue
            # what ends where the reading did may be the start of a longer number
            if self._buffer[end : end + 1] in _AFTER_A_VALUE or not self._fill():
                self._at = end
                return value

    def _fill(self) -> bool:
        """Drop what was taken and read on: ever larger parts, while an element does not end."""
        kept = self._buffer[self._at :]
        more = self._text.read(max(_READ, len(kept)))
        if not more:
            return False
        self._read_before += self._at
        self._buffer, self._at = kept + more, 0
        return True

    def _position(self) -> int:
        return self._read_before + self._at
