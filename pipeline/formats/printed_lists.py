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
    >>> list_of("[np.str_('A dog.'), np.str_('A cat.')]")
    ['A dog.', 'A cat.']
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
    value = ast.literal_eval(_WithoutNumPy().visit(ast.parse(text, mode="eval")))
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [ast.literal_eval(token.string) for token in tokens if token.type == tokenize.STRING]


class _WithoutNumPy(ast.NodeTransformer):
    """Takes `np.str_('A dog.')`, as NumPy 2 prints texts in lists, for the text."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        named = isinstance(node.func, ast.Attribute) and node.func.attr == "str_"
        return node.args[0] if named and len(node.args) == 1 and not node.keywords else node
