"""`--where`: an SQL condition on a row, evaluated by DuckDB, which may read no files."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.storage.errors import UserError
from pipeline.storage.redact import printable

_ROW = "maccap_row"
_QUERY = "SELECT {} FROM rows WHERE (\n{}\n)"


class Condition:
    """Of the columns in `schema`. Raises UserError, with DuckDB's words and the names of the columns,
    for one that is wrong, or that is about more than one row. A score that is no number is null.
    """

    def __init__(self, text: str, schema: pa.Schema) -> None:
        if not text.strip():
            raise UserError(
                "--where is empty. Write a condition, such as 'clip_score > 0.25', or leave it out."
            )
        self.text, self._schema = text, schema
        self._database = _database()
        self.columns = self._used()
        self.holds(schema.empty_table())

    def holds(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Of which of these `rows`, with the columns `columns`, the condition is true; a null is not."""
        import duckdb

        chosen = np.zeros(len(rows), np.bool_)
        numbers = pa.array(np.arange(len(rows)))
        self._database.register("rows", _without_nan(rows).append_column(_ROW, numbers))
        try:
            found = self._database.execute(_QUERY.format(_ROW, self.text)).fetchnumpy()[_ROW]
        except duckdb.Error as error:
            raise self._wrong(str(error)) from None
        chosen[np.asarray(found, np.int64)] = True
        return chosen

    def _used(self) -> frozenset[str]:
        """The columns it names, by what DuckDB parsed."""
        query = _QUERY.format("null", self.text)
        ((parsed,),) = self._database.execute("SELECT json_serialize_sql(?)", [query]).fetchall()
        syntax = json.loads(parsed)
        if syntax["error"]:
            raise self._wrong(syntax["error_message"])
        if len(syntax["statements"]) != 1:
            raise self._wrong("it is more than one condition")
        names: set[str] = set()
        for node in _nodes(syntax["statements"]):
            if node.get("class") in ("SUBQUERY", "STAR") or not _is_plain(node):
                raise self._wrong("a condition is about one row: it has no SELECT, FROM or COLUMNS in it")
            if node.get("class") == "COLUMN_REF":
                names |= {name.lower() for name in node["column_names"]}
        if _ROW in names:
            raise self._wrong(f"{_ROW} is no column of the table")
        return frozenset(name for name in self._schema.names if name.lower() in names)

    def _wrong(self, message: str) -> UserError:
        first = message.split("\n\nLINE ", 1)[0].replace("\n", " ")
        names = ", ".join(self._schema.names)
        return UserError(f"--where {printable(self.text)}: {printable(first)}\nThe columns are {names}.")


def _database() -> Any:
    import duckdb

    database = duckdb.connect(config={"enable_external_access": "false", "threads": 1})
    database.execute("SET python_enable_replacements = false; SET lock_configuration = true")
    return database


def _without_nan(rows: pa.Table) -> pa.Table:
    """DuckDB takes NaN for more than any number."""
    for place, name in enumerate(rows.column_names):
        if pa.types.is_floating(rows[place].type):
            rows = rows.set_column(place, name, pc.if_else(pc.is_nan(rows[place]), None, rows[place]))
    return rows


def _is_plain(node: Mapping[str, Any]) -> bool:
    """Whether a query is the one around the condition, which no bracket in that ends, to begin another."""
    if not str(node.get("type")).endswith("_NODE"):
        return True
    more = ("modifiers", "group_expressions", "having", "qualify")
    return node["type"] == "SELECT_NODE" and not any(node[name] for name in more)


def _nodes(syntax: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(syntax, dict):
        yield syntax
    for inner in syntax.values() if isinstance(syntax, dict) else syntax if isinstance(syntax, list) else ():
        yield from _nodes(inner)
