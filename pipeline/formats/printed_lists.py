"""Lists in the cells of text tables, as JSON, or as Python or NumPy print them."""

import ast
import io
import json
import tokenize
from typing import Any

_CHARACTERS = 100_000


def list_of(cell: str) -> list[Any] | None:
    """The list that a cell is; None for any other text.

    >>> list_of('["A dog.", "A cat."]') == list_of("['A dog.', 'A cat.']") == list_of("['A dog.' 'A cat.']")
    True
    """
    text = cell.strip()
    if text[:1] != "[" or len(text) > _CHARACTERS:
        return None
    for parse in (json.loads, _printed):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(value, list):
            return value
    return None


def _printed(text: str) -> Any:
    """As `ast.literal_eval`, but texts without commas between them, as NumPy prints them, stay apart."""
    value = ast.literal_eval(text)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [ast.literal_eval(token.string) for token in tokens if token.type == tokenize.STRING]
