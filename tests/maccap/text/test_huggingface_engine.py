"""Also for engine.py and engines.py: the reference engine keeps the contract, and is found by its name."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from maccap.bundle import Bundle
from maccap.config import DecodingConfig
from maccap.text.engine import DrawKey
from maccap.text.engines import DEFAULT_ENGINE, ENGINES, find_engine, load_engine
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel

KEYS = [DrawKey(0, image, draw) for image in ("a", "b", "c") for draw in range(2)]


@pytest.fixture
def engine(make_lm: Callable[..., FrozenLanguageModel]) -> HuggingFaceEngine:
    return HuggingFaceEngine(make_lm())


@pytest.mark.parametrize("strategy", ["greedy", "sample", "beam"])
def test_texts_belong_to_a_prefix_and_its_key_alone(engine: HuggingFaceEngine, strategy: str) -> None:
    decoding = DecodingConfig(strategy=strategy, candidates=4, samples_per_draw=2, beams=3, max_new_tokens=6)
    torch.manual_seed(0)
    prefixes = torch.randn(len(KEYS), 5, engine.embedding_dim)
    prompt = engine.prompt_ids()
    together = engine.generate(prefixes, prompt, decoding, KEYS)
    assert [len(texts) for texts in together] == [2] * len(KEYS)
    for row in (4, 0):
        (alone,) = engine.generate(prefixes[row : row + 1], prompt, decoding, KEYS[row : row + 1])
        assert [text.token_ids for text in alone] == [text.token_ids for text in together[row]]
        assert [t.logprob for t in alone] == pytest.approx([t.logprob for t in together[row]], abs=1e-4)


def test_samples_of_one_draw_and_of_another_differ(engine: HuggingFaceEngine) -> None:
    decoding = DecodingConfig(candidates=4, samples_per_draw=2, max_new_tokens=8)
    prefix = torch.randn(1, 5, engine.embedding_dim).expand(len(KEYS), -1, -1)
    texts = engine.generate(prefix, engine.prompt_ids(), decoding, KEYS)
    assert len({tuple(text.token_ids) for of_draw in texts for text in of_draw}) > len(KEYS)


def test_no_prefixes_are_no_texts(engine: HuggingFaceEngine) -> None:
    empty = torch.zeros(0, 5, engine.embedding_dim)
    assert engine.generate(empty, engine.prompt_ids(), DecodingConfig(), []) == []


def test_batches_are_at_least_one_draw_and_at_most_what_is_asked(engine: HuggingFaceEngine) -> None:
    decoding = DecodingConfig(candidates=4, samples_per_draw=4)
    assert engine.draws_at_once(decoding, 20, batch_rows=9) == 2
    assert engine.draws_at_once(decoding, 20, batch_rows=1) == 1
    assert not engine.fixed_rows


def test_an_engine_is_loaded_by_its_name(small_bundle: Path) -> None:
    llm = str(small_bundle / "llm")
    engine = load_engine(DEFAULT_ENGINE, llm, "cpu", torch.float32)
    assert isinstance(engine, HuggingFaceEngine)
    assert engine.embedding_dim == 48
    assert Bundle.open(small_bundle).load_sampler(engine=DEFAULT_ENGINE).engine.embedding_dim == 48
    with pytest.raises(ValueError, match="there is no decoding engine 'nope'; choose one of transformers"):
        find_engine("nope")
    assert all(entry.independent_of_batching for entry in ENGINES.values())
