"""The metrics of a run, as `pipeline/execution/metrics.py` lists them."""

from docs.generate.tables import table
from pipeline.execution.metrics import METRICS


def metrics() -> str:
    """A row for each, by the name under which Prometheus has it."""
    rows = [
        (f"`{one.exported}`", one.kind, ", ".join(f"`{tag}`" for tag in one.tags), one.about)
        for one in METRICS
    ]
    return table(["metric", "kind", "tags", ""], rows)
