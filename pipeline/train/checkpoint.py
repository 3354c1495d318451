"""What a resume goes on from: one safetensors file a checkpoint, whole or not at all, the last two kept."""

import json
import re
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from maccap.adaptor.adaptor import Adaptor
from maccap.config import AdaptorConfig
from pipeline.storage.folder import Folder

_KEPT = 2
_NAME = re.compile(r"step-(\d+)\.safetensors")
_ADAPTOR = "adaptor."


class Checkpoint(NamedTuple):
    """A trainer's state after `step` steps."""

    step: int
    adaptor: AdaptorConfig
    state: dict[str, Tensor]

    def load_adaptor(self) -> Adaptor:
        """The adaptor as it was then, in evaluation mode."""
        weights = {
            name.removeprefix(_ADAPTOR): tensor
            for name, tensor in self.state.items()
            if name.startswith(_ADAPTOR)
        }
        adaptor = Adaptor(self.adaptor)
        adaptor.load_state_dict(weights)
        return adaptor.eval()


class Checkpoints:
    """The checkpoints of run `run` under OUTPUT."""

    def __init__(self, output: str, run: str) -> None:
        self._folder = Folder(f"{output}/checkpoints")
        self._run = run

    def save(self, checkpoint: Checkpoint) -> None:
        """Write one, and remove those before the one before it."""
        about = {
            "run": self._run,
            "step": str(checkpoint.step),
            "adaptor": checkpoint.adaptor.model_dump_json(),
        }
        self._folder.make()
        self._folder.write(_name(checkpoint.step), save(checkpoint.state, about))
        for step in self._steps()[:-_KEPT]:
            self._folder.remove(_name(step))

    def latest(self) -> Checkpoint | None:
        """The newest that can be read and is of this run."""
        for step in reversed(self._steps()):
            data = self._folder.read(_name(step)) or b""
            try:  # whatever lies there, it is parsed as data or passed over
                about = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
                if about["run"] == self._run:
                    adaptor = AdaptorConfig.model_validate_json(about["adaptor"])
                    return Checkpoint(int(about["step"]), adaptor, load(data))
            except (ValueError, KeyError, TypeError, RecursionError, SafetensorError):
                continue
        return None

    def clean(self) -> None:
        """Clear what a killed writer left half written."""
        self._folder.remove_temporaries()

    def remove(self) -> None:
        """All of them: of a finished run nobody goes on."""
        self._folder.remove_all()

    def _steps(self) -> list[int]:
        found = (_NAME.fullmatch(name) for name in self._folder.names())
        return sorted(int(name[1]) for name in found if name)


def _name(step: int) -> str:
    return f"step-{step:09d}.safetensors"
