"""The pages, and parts of pages, that the code knows best. `make docs` writes them."""

from collections.abc import Callable
from pathlib import Path

from docs.generate.commands import commands
from docs.generate.configuration import configuration
from docs.generate.formats import formats
from docs.generate.metrics import metrics
from pipeline.stages.documentation import columns_table

DOCS = Path(__file__).parents[1]

PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "runs.md": {"columns": columns_table},
    "commands.md": {"commands": commands},
    "configuration.md": {"configuration": configuration},
    "export.md": {"formats": formats},
    "monitoring.md": {"metrics": metrics},
}
"""Of each page the parts that are generated, each between its two marks."""


def written(page: str) -> str:
    """The text of a page with its parts as the code has them now. Raises ValueError where a mark is gone."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for name, part in PARTS[page].items():
        start, end = f"<!-- {name}: written by make docs -->\n", f"<!-- /{name} -->\n"
        before, began, rest = text.partition(start)
        _, ended, after = rest.partition(end)
        if not began or not ended:
            raise ValueError(f"docs/{page} has no lines {start.strip()} and {end.strip()} around its {name}")
        text = f"{before}{start}\n{part()}\n{end}{after}"
    return text
