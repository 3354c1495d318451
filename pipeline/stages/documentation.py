"""The caption table's columns as the documentation has them (`make docs`), from the declarations."""

import pyarrow as pa

from pipeline.stages.registry import STAGES
from pipeline.stages.steps import table_columns


def columns_table() -> str:
    """Every column with its type and what it is, as Markdown."""
    requests = {name: setting for stage in STAGES for name, setting in stage.keeps_on_request.items()}
    requests |= {name: stage.setting for stage in STAGES for name in stage.keeps if stage.setting}
    of_ask = {name for stage in STAGES for name in stage.keeps if stage.task == "ask"}
    lines = ["| column | type | |", "|---|---|---|"]
    for column in table_columns(STAGES, set(requests.values())):
        about = column.about
        if column.name in requests:
            about += f" (with `{requests[column.name]}`)"
        if column.name in of_ask:
            about += " (of `maccap ask`)"
        lines.append(f"| `{column.name}` | {_in_words(column.type)} | {about} |")
    return "\n".join(lines) + "\n"


def _in_words(kind: pa.DataType) -> str:
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        fields = ", ".join(f"`{field.name}`" for field in kind.value_type)
        return f"list of {fields}"
    if pa.types.is_list(kind):
        size = "fixed-size " if pa.types.is_floating(kind.value_type) else ""
        return f"{size}list of {_in_words(kind.value_type)}"
    if pa.types.is_map(kind):
        return f"map of {_in_words(kind.key_type)} to {_in_words(kind.item_type)}"
    return {"halffloat": "float16", "float": "float32"}.get(str(kind), str(kind))
