"""OPT, GPT-2 and Llama behind one interface: special tokens, prefill and steps, saving."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.adaptor.loss import caption_loss
from maccap.text.language_model import FrozenLanguageModel

FAMILIES = ["opt", "gpt2", "llama"]


@pytest.fixture(params=FAMILIES, scope="module")
def lm(request: pytest.FixtureRequest, make_lm: Callable[..., FrozenLanguageModel]) -> FrozenLanguageModel:
    return make_lm(request.param)


def test_embedding_width_is_the_input_embeddings(lm: FrozenLanguageModel) -> None:
    assert lm.embedding_dim == 48
    assert lm.embed(torch.tensor([[1, 2]])).shape == (1, 2, 48)


def test_prompt_starts_with_one_bos(lm: FrozenLanguageModel) -> None:
    assert lm.prompt_ids() == [lm.tokenizer.bos_token_id]
    ids = lm.prompt_ids("a red dog")
    assert ids.count(lm.bos_id) == 1
    assert ids[0] == lm.bos_id
    assert lm.text(ids) == "a red dog"


def test_steps_continue_the_prefill(lm: FrozenLanguageModel) -> None:
    """Prefill and steps give the logits of one pass over everything."""
    torch.manual_seed(0)
    embeddings, ids = torch.randn(3, 5, 48), torch.randint(5, 20, (3, 4))
    with torch.no_grad():
        together = torch.cat([embeddings, lm.embed(ids)], dim=1)
        whole = lm.logits(together)
        torch.testing.assert_close(lm.logits(together, range(2, 5)), whole[:, 2:5], rtol=1e-5, atol=1e-5)
        logits, cache = lm.prefill(embeddings, room=4)
        torch.testing.assert_close(logits, whole[:, 4], rtol=1e-4, atol=1e-4)
        for position in range(4):
            logits = lm.step(ids[:, position], cache)
            torch.testing.assert_close(logits, whole[:, 5 + position], rtol=1e-4, atol=1e-4)


def test_a_prefill_in_parts_is_a_prefill(lm: FrozenLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    embeddings, ids = torch.randn(5, 4, 48), torch.randint(5, 20, (10,))
    found = []
    for rows in (5, 2):  # all at once, and two at a time
        monkeypatch.setattr("maccap.runtime.batch_sizes._NUMBERS_ON_CPU", rows * 4 * 48)
        with torch.no_grad():
            first, cache = lm.prefill(embeddings, room=2, copies=2)
            found.append((first, lm.step(ids, cache), lm.step(ids, cache)))
    for together, parts in zip(*found, strict=True):
        torch.testing.assert_close(parts, together, rtol=1e-5, atol=1e-5)


def test_loss_does_not_see_padding(lm: FrozenLanguageModel) -> None:
    torch.manual_seed(0)
    prefix = torch.randn(2, 4, 48, requires_grad=True)
    captions = ["a dog", "the red car on the street"]
    tokens = CaptionTokens(lm, captions, max_tokens=25)
    together = caption_loss(lm, prefix, *tokens.batch(np.array([0, 1])))
    alone = [caption_loss(lm, prefix[row : row + 1], *tokens.batch(np.array([row]))) for row in (0, 1)]
    torch.testing.assert_close(together.total, alone[0].total + alone[1].total, rtol=1e-4, atol=1e-4)
    assert together.tokens == alone[0].tokens + alone[1].tokens == tokens.lengths.sum()
    together.mean.backward()
    assert prefix.grad.abs().sum() > 0


def test_saved_model_is_the_same(lm: FrozenLanguageModel, tmp_path: Path) -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(2, 5, 48)
    for half, tolerance in ((False, 1e-6), (True, 0.05)):
        folder = tmp_path / f"half {half}"
        lm.save(folder, half=half)
        loaded = FrozenLanguageModel.load(str(folder))
        assert loaded.dtype == torch.float32
        assert not list(folder.glob("*.bin"))
        torch.testing.assert_close(
            loaded.logits(embeddings), lm.logits(embeddings), rtol=tolerance, atol=tolerance
        )
        assert loaded.prompt_ids("a dog") == lm.prompt_ids("a dog")
        assert loaded.eos_ids == lm.eos_ids


@pytest.mark.parametrize("half", [False, True])
def test_tied_weights_are_saved_once(
    half: bool, make_lm: Callable[..., FrozenLanguageModel], tmp_path: Path
) -> None:
    make_lm("opt").save(tmp_path, half=half)
    saved = load_file(tmp_path / "model.safetensors")
    assert sum("embed_tokens" in key or "lm_head" in key for key in saved) == 1


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="safetensors"):
        FrozenLanguageModel.load(str(tmp_path))


@pytest.mark.parametrize("family", ["opt", "gpt2"])
def test_weights_under_other_names_are_refused(
    make_lm: Callable[..., FrozenLanguageModel], tmp_path: Path, family: str
) -> None:
    """transformers would fill in random numbers."""
    make_lm(family).save(tmp_path)
    (file,) = tmp_path.glob("*.safetensors")
    weights = load_file(file)
    save_file({f"module.{name}": value for name, value in weights.items()}, file, {"format": "pt"})
    with pytest.raises(ValueError, match=f"{tmp_path} has no weights for .* save_pretrained"):
        FrozenLanguageModel.load(str(tmp_path))


@pytest.mark.parametrize("family", ["opt", "gpt2"])
def test_a_folder_without_a_tokenizer_is_refused(
    make_lm: Callable[..., FrozenLanguageModel], tmp_path: Path, family: str
) -> None:
    """transformers would make up one that knows no word."""
    make_lm(family).save(tmp_path)
    for path in tmp_path.glob("*token*"):
        path.unlink()
    with pytest.raises(ValueError, match="tokenizer"):
        FrozenLanguageModel.load(str(tmp_path))


def test_tokenizer_without_eos_is_refused(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    lm = make_lm("llama")
    lm.tokenizer.eos_token = None
    with pytest.raises(ValueError, match="end-of-sequence"):
        FrozenLanguageModel(lm.model, lm.tokenizer)


def test_text_is_one_line(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    lm = make_lm("llama")
    ids = lm.tokenizer.encode("  a dog\n\n on the  beach \n", add_special_tokens=False)
    assert lm.text([lm.bos_id, *ids, *lm.eos_ids]) == "a dog on the beach"
