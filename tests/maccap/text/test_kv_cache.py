"""The cache writes in place, copies and moves rows, and leaves other kinds of layers to transformers."""

from collections.abc import Callable

import pytest
import torch
from transformers import DynamicCache, MistralConfig, MistralForCausalLM, PreTrainedModel

from maccap.text.kv_cache import FixedCache
from maccap.text.language_model import FrozenLanguageModel


def mistral() -> PreTrainedModel:
    """Layers that forget what lies four tokens back."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=30,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        sliding_window=4,
    )
    return MistralForCausalLM(config).eval()


@pytest.fixture(params=["opt", "gpt2", "llama", "mistral"], scope="module")
def model(request: pytest.FixtureRequest, make_lm: Callable[..., FrozenLanguageModel]) -> PreTrainedModel:
    return mistral() if request.param == "mistral" else make_lm(request.param).model


@torch.no_grad()
def test_rows_are_copied_moved_and_dropped(model: PreTrainedModel) -> None:
    """As in transformers' own cache, prefilled with the copies and rebuilt for each move."""
    torch.manual_seed(0)
    embeddings = torch.randn(3, 5, 48)
    ours, theirs = FixedCache(model.config, 3, 9, copies=2), DynamicCache(config=model.config)
    model(inputs_embeds=embeddings, past_key_values=ours)
    ours.copy_rows()
    model(inputs_embeds=embeddings.repeat_interleave(2, dim=0), past_key_values=theirs)
    orders = ([0, 1, 2, 3, 4, 5], [0, 5, 2, 4], [0, 0, 2, 1], [3, 1])
    for order in orders:
        rows = torch.tensor(order)
        ours.select(rows)
        theirs.reorder_cache(rows)
        ids = torch.randint(3, 20, (len(order), 1))
        logits = [model(input_ids=ids, past_key_values=cache).logits for cache in (ours, theirs)]
        torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_copies_of_a_row_change_places_from_where_they_differ(model: PreTrainedModel) -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(2, 5, 48)
    caches = [FixedCache(model.config, 2, 8, copies=3) for _ in range(2)]
    ids = torch.randint(3, 20, (2, 6, 1))
    order = torch.tensor([2, 2, 1, 5, 3, 5])  # within each three
    logits = []
    for cache, since in zip(caches, (0, 5), strict=True):
        model(inputs_embeds=embeddings, past_key_values=cache)
        cache.copy_rows()
        model(input_ids=ids[0], past_key_values=cache)
        cache.select(order, since=since)
        logits.append(model(input_ids=ids[1], past_key_values=cache).logits)
    torch.testing.assert_close(*logits, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_layers_with_a_form_of_their_own_take_all_rows_at_once(
    make_lm: Callable[..., FrozenLanguageModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    lm = FrozenLanguageModel(mistral(), make_lm("opt").tokenizer)
    embeddings, ids = torch.randn(3, 5, 48), torch.tensor([5, 6, 7])
    monkeypatch.setattr("maccap.runtime.batch_sizes._NUMBERS_ON_CPU", 5)
    logits, cache = lm.prefill(embeddings, room=1)
    together = lm.logits(torch.cat([embeddings, lm.embed(ids[:, None])], dim=1))
    torch.testing.assert_close(torch.stack([logits, lm.step(ids, cache)], dim=1), together[:, -2:])


@torch.no_grad()
def test_the_storage_stays_where_it_is(make_lm: Callable[..., FrozenLanguageModel]) -> None:
    lm = make_lm("opt")
    _, cache = lm.prefill(torch.randn(3, 5, 48), room=3)
    places = [layer.keys.data_ptr() for layer in cache.layers]
    held = cache.numel()
    for _ in range(3):
        lm.step(torch.tensor([5, 6, 7])[: len(cache.layers[0].keys)], cache)
        cache.select(torch.tensor([0, 2]) if len(cache.layers[0].keys) == 3 else torch.tensor([0, 1]))
    assert [layer.keys.data_ptr() for layer in cache.layers] == places
    assert cache.numel() == held
    with pytest.raises(ValueError, match="room for 8 tokens"):
        lm.step(torch.tensor([5, 6]), cache)
