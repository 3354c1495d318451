import pickle
from collections.abc import Callable
from pathlib import Path

import torch

from maccap.adaptor.adaptor import Adaptor
from pipeline.train.checkpoint import Checkpoint, Checkpoints
from tests.maccap.hostile_model import Touch


def _checkpoint(adaptor: Adaptor, step: int) -> Checkpoint:
    state = {f"adaptor.{name}": value + step for name, value in adaptor.state_dict().items()}
    return Checkpoint(step, adaptor.config, {**state, "exp_avg.queries": torch.zeros(3)})


def test_the_last_two_are_kept_and_the_newest_is_gone_on_from(
    tmp_path: Path, make_adaptor: Callable[..., Adaptor]
) -> None:
    adaptor = make_adaptor()
    checkpoints = Checkpoints(str(tmp_path), "run")
    assert checkpoints.latest() is None
    for step in (4, 8, 12):
        checkpoints.save(_checkpoint(adaptor, step))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    latest = checkpoints.latest()
    assert latest is not None
    assert (latest.step, latest.adaptor) == (12, adaptor.config)
    assert torch.equal(latest.load_adaptor().queries, adaptor.queries + 12)
    assert set(latest.state) == {"exp_avg.queries"} | {f"adaptor.{name}" for name in adaptor.state_dict()}


def test_a_broken_file_and_another_runs_are_passed_over(
    tmp_path: Path, make_adaptor: Callable[..., Adaptor]
) -> None:
    checkpoints = Checkpoints(str(tmp_path), "run")
    checkpoints.save(_checkpoint(make_adaptor(), 4))
    folder = tmp_path / "checkpoints"
    whole = (folder / "step-000000004.safetensors").read_bytes()
    pickled = pickle.dumps(Touch(tmp_path / "ran"))
    listed = len(b"[1]").to_bytes(8, "little") + b"[1]"
    for step, data in enumerate((b"", b"nothing", whole[:40], whole[:-7], pickled, listed), 5):
        (folder / f"step-{step:09d}.safetensors").write_bytes(data)
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.step == 4
    assert not (tmp_path / "ran").exists()
    assert Checkpoints(str(tmp_path), "another").latest() is None
    checkpoints.remove()
    assert not folder.exists()
