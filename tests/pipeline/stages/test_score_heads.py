"""Heads that a user brings: their files, and the scores they give."""

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import save_file

from maccap.config import DecodingConfig
from maccap.image.preprocessing import PixelSpec
from pipeline.formats.array_columns import half_column
from pipeline.stages.score_heads import ScoreHeadStage, fingerprints_of, read_score_head
from pipeline.stages.stage import ScoreHeadFile, StageSettings
from pipeline.stages.torch_runtime import TorchRuntime
from pipeline.storage.errors import RunError, UserError

WIDTH = 6
GENERATOR = np.random.default_rng(0)


def _normal(*shape: int) -> np.ndarray:
    return GENERATOR.normal(size=shape).astype(np.float32)


LINEAR = {"weight": _normal(1, WIDTH), "bias": _normal(1)}  # as LAION's first predictor
STACK = {  # as its second, whose Sequential has dropouts in between
    "layers.0.weight": _normal(4, WIDTH),
    "layers.0.bias": _normal(4),
    "layers.2.weight": _normal(3, 4),
    "layers.2.bias": _normal(3),
    "layers.10.weight": _normal(1, 3),
}


def _saved(path: Path, tensors: dict[str, np.ndarray], **metadata: str) -> str:
    save_file(tensors, path, metadata=metadata or None)
    return str(path)


def _stage(heads: dict[str, str]) -> ScoreHeadStage:
    files = {name: ScoreHeadFile(url, read_score_head(url).fingerprint) for name, url in heads.items()}
    settings = StageSettings("", PixelSpec(8), DecodingConfig(), score_heads=files)
    return ScoreHeadStage.build(settings, TorchRuntime())


def test_each_head_scores_each_image_that_is_no_error(tmp_path: Path) -> None:
    heads = {
        "aesthetic": _saved(tmp_path / "linear.safetensors", LINEAR),
        "stack": _saved(tmp_path / "stack.safetensors", STACK),
        "safe": _saved(tmp_path / "safe.safetensors", STACK, activation="sigmoid", hidden_activation="relu"),
    }
    features = _normal(3, WIDTH).astype(np.float16)
    table = pa.table({"global": half_column(features), "error": pa.array([None, "bad", None], pa.string())})
    scores = _stage(heads)(table)["scores"]
    assert scores.type == pa.map_(pa.string(), pa.float32())
    assert scores.to_pylist()[1] is None
    for row in (0, 2):
        x = features[row].astype(np.float32)
        linear = LINEAR["weight"] @ x + LINEAR["bias"]
        stack = STACK["layers.0.weight"] @ x + STACK["layers.0.bias"]
        hidden = np.maximum(stack, 0)
        stack = STACK["layers.10.weight"] @ (STACK["layers.2.weight"] @ stack + STACK["layers.2.bias"])
        hidden = np.maximum(STACK["layers.2.weight"] @ hidden + STACK["layers.2.bias"], 0)
        safe = 1 / (1 + np.exp(-STACK["layers.10.weight"] @ hidden))
        expected = {"aesthetic": linear.item(), "stack": stack.item(), "safe": safe.item()}
        assert dict(scores[row].as_py()) == pytest.approx(expected, rel=1e-4)


def test_a_score_does_not_depend_on_the_rows_beside_it(tmp_path: Path) -> None:
    stage = _stage({"stack": _saved(tmp_path / "stack.safetensors", STACK)})
    features = _normal(50, WIDTH).astype(np.float16)
    table = pa.table({"global": half_column(features), "error": pa.nulls(50, pa.string())})
    alone = [stage(table.slice(row, 1).combine_chunks())["scores"][0].as_py() for row in range(50)]
    assert stage(table)["scores"].to_pylist() == alone


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        ({}, {}, "has no weight or bias of a linear layer"),
        ({**LINEAR, "norm.mean": _normal(WIDTH)}, {}, "tensor 'norm.mean' is no weight or bias"),
        ({"weight": _normal(WIDTH)}, {}, "no linear layer"),
        ({"weight": _normal(1, WIDTH), "bias": _normal(2)}, {}, "no linear layer"),
        ({"weight": _normal(2, WIDTH)}, {}, "gives 2 numbers for an image"),
        (
            {"0.weight": _normal(2, WIDTH), "1.weight": _normal(1, 3)},
            {},
            "1.weight takes 3 numbers and gets 2",
        ),
        ({"weight": np.full((1, WIDTH), np.nan, np.float32)}, {}, "no finite number"),
        ({"weight": np.full((1, WIDTH), 1e300)}, {}, "no finite number"),
        ({"weight": _normal(1, WIDTH) + 1j}, {}, "weight is of complex64, and .* are floating-point"),
        ({**LINEAR, "bias": np.ones(1, np.int64)}, {}, "bias is of int64, and .* are floating-point"),
        ({"weight": np.array(1, np.float32)}, {}, "no linear layer"),
        (LINEAR, {"activation": "softmax"}, "activation 'softmax', known are sigmoid"),
    ],
)
def test_a_head_of_another_kind_is_refused_by_name(
    tmp_path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str], words: str
) -> None:
    url = _saved(tmp_path / "head.safetensors", tensors, **metadata)
    with pytest.raises(UserError, match=words) as error, warnings.catch_warnings(action="error"):
        read_score_head(url)
    assert url in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04 a pickle", None], ids=["empty", "pickle", "not there"])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "head.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"head\.pth (cannot be read|is no safetensors file)"):
        read_score_head(str(path))


def test_a_head_of_another_clip_is_refused_and_so_is_a_changed_one(tmp_path: Path) -> None:
    url = _saved(tmp_path / "head.safetensors", LINEAR)
    with pytest.raises(UserError, match=r"head\.safetensors is for features 6 wide, .* CLIP are 512"):
        fingerprints_of({"aesthetic": url}, 512)
    (sha256,) = fingerprints_of({"aesthetic": url}, WIDTH).values()
    _saved(tmp_path / "head.safetensors", {**LINEAR, "bias": _normal(1)})
    settings = StageSettings(
        "", PixelSpec(8), DecodingConfig(), score_heads={"aesthetic": ScoreHeadFile(url, sha256)}
    )
    with pytest.raises(RunError, match=r"head\.safetensors is not the file any more"):
        ScoreHeadStage.build(settings, TorchRuntime())
