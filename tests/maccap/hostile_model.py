"""Code in a model's folder or a pickle, and the marker that it would leave where it ran."""

import json
import os
from pathlib import Path
from typing import Any

CODE = """
from pathlib import Path
Path({marker!r}).touch()
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast
class Hostile(PreTrainedTokenizerFast): pass
class HostileConfig(OPTConfig): model_type = "hostile"
class HostileModel(OPTForCausalLM): config_class = HostileConfig
"""
AUTO_MAP = {
    "AutoTokenizer": [None, "hostile.Hostile"],
    "AutoConfig": "hostile.HostileConfig",
    "AutoModel": "hostile.HostileModel",
    "AutoModelForCausalLM": "hostile.HostileModel",
}


class Touch:
    """Unpickled, it touches a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.marker}",)


def put_code(folder: Path, marker: Path) -> None:
    """Code that touches `marker`, named by all of the folder's configs that transformers reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hostile.py").write_text(CODE.format(marker=str(marker)))
    name_code(folder)


def name_code(folder: Path) -> None:
    edit(folder / "tokenizer_config.json", auto_map=AUTO_MAP, tokenizer_class="Hostile")
    edit(folder / "config.json", auto_map=AUTO_MAP, model_type="hostile")


def edit(path: Path, **entries: Any) -> None:
    """Set entries of a JSON file; `a__b` is `b` in the section `a`."""
    document = json.loads(path.read_text()) if path.exists() else {}
    for name, value in entries.items():
        section = document
        *above, last = name.split("__")
        for key in above:
            section = section.setdefault(key, {})
        section[last] = value
    path.write_text(json.dumps(document))
