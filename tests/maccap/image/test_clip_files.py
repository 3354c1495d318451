"""CLIPs in folders: written, read again and moved; what is refused, and what it says."""

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import open_clip
import pytest
import torch
from open_clip.tokenizer import HFTokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, PreTrainedTokenizerFast

from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec
from maccap.tower_config import check_clip_config, check_own_configs

TEXTS = ["a dog", "", "a small red cup sits on the large green desk in the street " * 3]


def test_half_precision_on_disk_loads_as_float32(
    make_clip: Callable[..., FrozenClip], tmp_path: Path
) -> None:
    clip = make_clip()
    clip.save(tmp_path / "full")
    clip.save(tmp_path / "half", half=True)
    sizes = [(tmp_path / kind / "open_clip_model.safetensors").stat().st_size for kind in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    loaded = FrozenClip.load(str(tmp_path / "half"))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    cosine = (loaded.encode_text(TEXTS) * clip.encode_text(TEXTS)).sum(dim=-1)
    assert cosine.min() > 0.999


def test_load_errors_say_what_to_do(make_clip: Callable[..., FrozenClip], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="list_models"):
        FrozenClip.load("ViT-Q-99")
    with pytest.raises(ValueError, match=r"pretrained is one of \[.*'openai'"):
        FrozenClip.load("ViT-B-32-quickgelu")
    make_clip().save(tmp_path)
    (tmp_path / "bpe.txt.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"bpe\.txt\.gz"):
        FrozenClip.load(str(tmp_path))
    (tmp_path / "open_clip_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"only safetensors are read$"):
        FrozenClip.load(str(tmp_path))
    (tmp_path / "epoch_5.pt").write_bytes(b"never read")
    with pytest.raises(FileNotFoundError, match=r"name the model as open_clip does, with .*epoch_5\.pt"):
        FrozenClip.load(str(tmp_path))


def test_weights_that_unpickle_are_passed_over(make_clip: Callable[..., FrozenClip], tmp_path: Path) -> None:
    make_clip().save(tmp_path)
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(b"never read")
    (tmp_path / "training.py").write_text("raise SystemExit")
    assert FrozenClip.load(str(tmp_path)).embed_dim == 32
    (tmp_path / "open_clip_model.safetensors").rename(tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"unpickle beside weights\.safetensors; rename that to open_clip_m"):
        FrozenClip.load(str(tmp_path))


@pytest.mark.skipif(int(open_clip.__version__[0]) > 3, reason="later ones have settings to look at first")
def test_every_config_of_open_clips_own_is_known() -> None:
    for name in open_clip.list_models():
        check_clip_config(name, {"model_cfg": open_clip.get_model_config(name)})


def test_a_tower_that_is_refused_is_not_downloaded_first() -> None:
    with pytest.raises(ValueError, match=r"a timm tower.*VisionTransformer"):
        FrozenClip.load("ViT-B-16-SigLIP", "webli")


@pytest.mark.parametrize("kind", ["xlm-roberta", "bert"])
def test_a_hugging_face_text_tower_is_saved_whole(kind: str, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    config = AutoConfig.for_model(kind, vocab_size=64, max_position_embeddings=96, **sizes)
    hub = tmp_path / "hub" / kind
    config.save_pretrained(hub)
    words = {"[PAD]": 0, "[UNK]": 1, **{f"t{number}": number for number in range(2, 64)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    own = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    own.save_pretrained(hub)
    text = {"hf_model_name": str(hub), "hf_tokenizer_name": str(hub), "hf_pooler_type": "mean_pooler"}
    model_config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {**text, "hf_model_pretrained": False},
    }
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(**deepcopy(model_config))
    clip = FrozenClip(model, HFTokenizer(str(hub), context_length=77), model_config, PixelSpec(32))
    texts = ["t3 t4 t5", "t9"]
    expected = clip.encode_text(texts)
    clip.save(tmp_path / "clip")
    shutil.rmtree(tmp_path / "hub")
    assert str(tmp_path) not in (tmp_path / "clip" / "open_clip_config.json").read_text()
    check_own_configs(tmp_path / "clip")
    (tmp_path / "clip").rename(tmp_path / "moved")
    loaded = FrozenClip.load(str(tmp_path / "moved"))
    torch.testing.assert_close(loaded.encode_text(texts), expected)
    loaded.save(tmp_path / "again")
    torch.testing.assert_close(FrozenClip.load(str(tmp_path / "again")).encode_text(texts), expected)
