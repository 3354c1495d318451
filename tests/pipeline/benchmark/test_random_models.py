"""Random models write texts of exactly the length asked for, whatever the strategy."""

from collections.abc import Iterator
from pathlib import Path

import open_clip
import pytest
import torch

from maccap.bundle import Bundle
from maccap.config import DecodingConfig
from maccap.text.decoding import decode
from maccap.text.language_model import FrozenLanguageModel
from pipeline.benchmark import random_models
from pipeline.benchmark.random_models import OPT_SIZES, random_clip, random_opt, write_random_bundle

TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 64}


@pytest.fixture
def lm(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrozenLanguageModel]:
    monkeypatch.setitem(OPT_SIZES, "tiny", TINY)
    return random_opt("tiny")


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_no_text_ends_early(lm: FrozenLanguageModel, strategy: str) -> None:
    config = DecodingConfig(candidates=1, strategy=strategy, max_new_tokens=9)
    numbers = torch.rand(8, 9, dtype=torch.float64) if strategy == "sample" else None
    texts = decode(lm, torch.randn(8, 3, 32), lm.prompt_ids(), config, numbers)
    assert [len(text.token_ids) for text in texts] == [9] * 8


def test_a_token_is_a_word_and_a_token_of_clip(lm: FrozenLanguageModel) -> None:
    ids = torch.randint(len(random_models._SPECIAL), 50272, (20, 16)).tolist()
    texts = [lm.text(row) for row in ids]
    assert {len(text.split()) for text in texts} == {16}
    tokens = open_clip.SimpleTokenizer()(texts)
    assert (tokens.argmax(dim=-1) == 17).all()  # start, 16 tokens, end
    assert lm.caption_rows([texts[0]], 25)[0] == [lm.bos_id, *ids[0], lm.eos_ids[0]]


def test_sizes_are_those_of_the_name(lm: FrozenLanguageModel) -> None:
    assert lm.model.config.vocab_size == 50272
    with pytest.raises(ValueError, match="opt-125m"):
        random_opt("opt-9t")
    clip = random_clip("ViT-B-32")
    assert clip.embed_dim == 512
    assert clip.encode_text(["a red cup"]).shape == (1, 512)


def test_a_random_bundle_captions(lm: FrozenLanguageModel, tmp_path: Path) -> None:
    decoding = DecodingConfig(candidates=2, max_new_tokens=4)
    write_random_bundle(tmp_path, "ViT-B-32-quickgelu", "tiny", decoding)
    bundle = Bundle.open(tmp_path)
    assert bundle.config.decoding == decoding
    features = torch.randn(3, 10, 512)
    drawn = bundle.load_sampler()(features, ["a", "b", "c"], 0, decoding)
    assert {len(candidate.text.split()) for row in drawn for candidate in row} == {4}
