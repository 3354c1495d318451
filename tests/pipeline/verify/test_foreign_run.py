"""A run folder that someone else made: what it holds is read as data, and what it names as a model is not
opened.
"""

import pickle
from pathlib import Path

import pytest

from pipeline.inspect.examples import load_images, pick_examples
from pipeline.storage.errors import UserError
from tests.maccap.hostile_model import Touch, edit, put_code
from tests.pipeline.verify.test_run import _file, _verify, run, whole  # noqa: F401

_VERSION = "is not a run this version can read"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def test_the_model_it_names_is_not_opened(run: Path, marker: Path) -> None:  # noqa: F811
    put_code(run / "model", marker)
    edit(run / "run.json", model=str(run / "model"))
    assert _verify(run)[0] == []
    assert load_images(str(run), pick_examples(str(run), 3))
    assert not marker.exists()


def test_a_pickle_is_a_damaged_file(run: Path, marker: Path) -> None:  # noqa: F811
    _file(run).write_bytes(pickle.dumps(Touch(marker)))
    (run / "captions" / "hook.py").write_text(f"open({str(marker)!r}, 'w')")
    problems, _ = _verify(run)
    assert any(f"{_file(run)} is damaged and cannot be read" in problem for problem in problems)
    assert not marker.exists()


@pytest.mark.parametrize(("key", "value"), [("hook", "x.py"), ("decoding", {"callback": "os.system"})])
def test_an_entry_that_is_not_known_is_refused(run: Path, key: str, value: object) -> None:  # noqa: F811
    edit(run / "run.json", **{key: value})
    with pytest.raises(UserError, match=_VERSION):
        _verify(run)
    with pytest.raises(UserError, match=_VERSION):
        load_images(str(run), [])
