"""`maccap embed`: a toy length of all of it, and what it refuses before it trains anything."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.cli import run_command
from jobs.embed import main
from maccap.bundle import Bundle
from maccap.captioner import Captioner
from maccap.config import GapConfig
from maccap.scenes.training.build import RECIPES, Supervision
from maccap.scenes.world.render import render
from maccap.scenes.world.scene import split_scenes


@pytest.fixture(autouse=True)
def _sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument"),
        (["work", "--scale", "0"], "scale"),
        (["work", "--seed", "one"], "seed"),
        (["file"], "file is not a folder"),
        (["trained"], "remove it or use another work folder"),
    ],
)
def test_a_users_mistake_is_one_clear_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["maccap embed", *arguments])
    Path("file").touch()
    Path("trained/llm").mkdir(parents=True)
    Path("trained/llm/_FINISHED").write_text('{"steps": 1, "seed": 7}')
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""
    assert not Path("work").exists()


@pytest.mark.parametrize("clip", ["facts", "contrast"])
def test_a_toy_build_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: Supervision) -> None:
    """All parts at two steps each, the adaptor by way of `maccap train`; a gap is closed."""
    few = GapConfig(images=12, captions=100)  # after two steps all captions are alike
    monkeypatch.setitem(RECIPES, "contrast", RECIPES["contrast"]._replace(gap=few))
    main(tmp_path / "work", tmp_path / "bundle", scale=0.0004, clip=clip)
    made = Bundle.open(tmp_path / "bundle")
    gap = made.config.gap
    assert (gap and (gap.images, gap.rounds)) == ((12, 0) if clip == "contrast" else None)
    captioner = Captioner.from_pretrained(tmp_path / "bundle")
    scenes = [render(scene, 120) for scene in split_scenes("test", 2, seed=3)]
    captions = captioner.caption(scenes, ids=["a", "b"])
    recipe = RECIPES[clip]
    assert [len(caption.candidates) for caption in captions] == [recipe.decoding.candidates] * 2
    assert made.config.rerank == recipe.rerank
    assert all(caption.text in [c.text for c in caption.candidates] for caption in captions)
