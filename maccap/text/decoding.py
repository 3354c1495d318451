"""Text from a prefix: greedy, sampled or beam decoding of [prefix; prompt] for many rows at once.

A row's text depends on its own prefix and its own random numbers alone. [prefix; prompt] is prefilled once
a noise draw, for all of its samples or beams. Rows that have ended leave the batch, and the last ones take
their places.
"""

import torch
from torch import Tensor

from maccap.config import DecodingConfig
from maccap.text.engine import Decoded, PromptIds
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.next_token import likeliest_tokens, next_tokens
from maccap.text.prompted import Prompted, ReadPrefixes

# fraction of the rows still going at which the others leave the batch
_COMPACT_AT = 0.9
_IMPOSSIBLE = -1e9


@torch.no_grad()
def decode(
    lm: FrozenLanguageModel,
    prefix: Tensor | ReadPrefixes,
    prompt_ids: PromptIds,
    config: DecodingConfig,
    uniforms: Tensor | None = None,
    *,
    fixed_rows: bool = False,
) -> list[Decoded]:
    """`samples_per_draw` texts for each prefix [B, Q, H]: B * samples_per_draw, those of a prefix side by
    side. `prompt_ids` [T] follow each prefix, or [B, T] its own.

    `uniforms` [B * samples_per_draw, max_new_tokens] in [0, 1) are the random numbers of strategy `sample`,
    one per token. Strategy `greedy` decodes once per prefix; `beam` gives its best hypotheses. With
    `fixed_rows`, texts that have ended keep their rows (`maccap.runtime.fixed_rows`).

    Raises ValueError where strategy and `uniforms` do not fit.
    """
    samples = config.samples_per_draw
    expected = (len(prefix) * samples, config.max_new_tokens)
    if config.strategy == "sample" and (uniforms is None or tuple(uniforms.shape) != expected):
        found = None if uniforms is None else tuple(uniforms.shape)
        raise ValueError(f"strategy 'sample' needs uniforms of shape {expected}, not {found}")
    if not len(prefix):
        return []
    begun = Prompted(lm, prefix, prompt_ids)
    if config.strategy == "beam":
        return _beam(lm, begun, config, fixed_rows)
    if config.strategy == "greedy":
        decoded = _extend(lm, begun, config, None, fixed_rows)
        return [text for text in decoded for _ in range(samples)]
    return _extend(lm, begun, config, uniforms, fixed_rows)


def _extend(
    lm: FrozenLanguageModel,
    begun: Prompted,
    config: DecodingConfig,
    uniforms: Tensor | None,
    fixed_rows: bool,
) -> list[Decoded]:
    """Token by token: the most likely one, or the one that the row's uniform number picks."""
    samples, steps = (1 if uniforms is None else config.samples_per_draw), config.max_new_tokens
    logits, cache = begun.prefill(room=steps - 1, copies=samples)
    rows, device = len(begun) * samples, logits.device
    numbers = None if uniforms is None else uniforms.to(device)
    eos = torch.tensor(lm.eos_ids, device=device)
    tokens = torch.full((rows, steps), int(eos[0]), device=device)
    logprobs = torch.zeros(rows, dtype=torch.float64, device=device)
    # `live` maps the batch to its rows; rows that have ended stay in it until enough can leave together
    live = torch.arange(rows, device=device)
    going = torch.ones(rows, dtype=torch.bool, device=device)
    for step in range(steps):
        # after the prefill one row of logits serves all samples of its draw
        own = None if numbers is None else numbers[live, step].view(len(logits), -1)
        chosen, gain = (part.flatten() for part in next_tokens(logits, own, config))
        tokens[live, step] = torch.where(going, chosen, eos[0])
        logprobs[live] += torch.where(going, gain, 0.0)
        going = going & ~torch.isin(chosen, eos)
        left = int(going.sum())
        if not left or step + 1 == steps:
            break
        if left <= _COMPACT_AT * len(live) and not fixed_rows:
            kept = _closed_up(going)
            cache.select(kept)
            live, chosen, going = live[kept], chosen[kept], going[kept]
        logits = lm.step(chosen, cache)
    return _collect(tokens, logprobs, lm.eos_ids)


def _beam(
    lm: FrozenLanguageModel, begun: Prompted, config: DecodingConfig, fixed_rows: bool
) -> list[Decoded]:
    """Beam search by log-probability over length to the power of `length_penalty`, end token included.

    The rules are those of Hugging Face's `generate(num_beams=..., length_penalty=..., early_stopping=False)`:
    twice as many continuations as beams are looked at, those that end within the best `beams` are kept, and
    an image is done when the worst text kept beats the best one still going, were it to end now. It is done,
    too, when nothing that may still come can change the texts that are asked for: the same texts, sooner.
    """
    width, steps = config.beams, config.max_new_tokens
    penalty, count = config.length_penalty, config.samples_per_draw
    logits, cache = begun.prefill(room=steps - 1, copies=width)
    images, prefilled, device = len(begun), cache.read, logits.device
    vocab, eos = logits.shape[-1], torch.tensor(lm.eos_ids, device=device)
    continuations = min(width * (1 + len(eos)), vocab)

    tokens = torch.full((images, width, steps), int(eos[0]), device=device)
    # all beams of an image start equal: only the first may be continued
    scores = torch.full((images, width), _IMPOSSIBLE, device=device)
    scores[:, 0] = 0.0
    ended_tokens = tokens.clone()
    ended_scores = torch.full((images, width), _IMPOSSIBLE, device=device)
    ended_lengths = torch.ones((images, width), device=device)
    live = torch.arange(images, device=device)  # the images that the batch still holds
    going = torch.ones(images, dtype=torch.bool, device=device)  # those of them that are not done
    result_tokens, result_scores = ended_tokens.clone(), ended_scores.clone()
    result_lengths = ended_lengths.clone()

    for step in range(steps):
        token, logprob = (
            part.view(len(live), -1, continuations) for part in likeliest_tokens(logits, continuations)
        )
        # an image's best continuations are among the best of its beams
        best, index = (logprob + scores[:, :, None]).flatten(1).topk(continuations, dim=-1)
        token = token.expand(-1, width, -1).flatten(1).gather(1, index)  # [images, continuations]
        source = index // continuations
        extended = _take(tokens, source)
        extended[:, :, step] = token
        ends = torch.isin(token, eos) | (step + 1 == steps)

        ending = torch.where(ends, best / (step + 1) ** penalty, _IMPOSSIBLE)
        ending[:, width:] = _IMPOSSIBLE
        merged = torch.cat([ended_scores, ending], dim=1)
        ended_scores, order = merged.topk(width, dim=-1)
        ended_tokens = _take(torch.cat([ended_tokens, extended], dim=1), order)
        lengths = torch.full_like(ending, step + 1)
        ended_lengths = torch.cat([ended_lengths, lengths], dim=1).gather(1, order)
        result_tokens[live[going]], result_scores[live[going]] = ended_tokens[going], ended_scores[going]
        result_lengths[live[going]] = ended_lengths[going]
        if step + 1 == steps:
            break

        scores, order = torch.where(ends, _IMPOSSIBLE, best).topk(width, dim=-1)
        tokens, source, token = _take(extended, order), source.gather(1, order), token.gather(1, order)
        going = going & (scores[:, 0] / (step + 1) ** penalty > ended_scores[:, -1])
        best_to_come = scores[:, 0] / (steps if penalty > 0 else step + 2) ** penalty
        going = going & (best_to_come >= ended_scores[:, count - 1])
        if not going.any():
            break
        kept = torch.arange(len(live), device=device) if fixed_rows else _closed_up(going)
        going = going[kept]
        live, tokens, scores, source, token = (part[kept] for part in (live, tokens, scores, source, token))
        ended_tokens, ended_scores, ended_lengths = (
            part[kept] for part in (ended_tokens, ended_scores, ended_lengths)
        )
        beams = torch.arange(width, device=device)
        cache.select((kept[:, None] * width + beams).flatten())
        # the beams of an image differ in what follows the prefill alone
        images_first = torch.arange(len(kept), device=device)[:, None] * width
        cache.select((images_first + source).flatten(), since=prefilled)
        logits = lm.step(token.flatten(), cache)
    logprobs = (result_scores * result_lengths**penalty)[:, :count].flatten()
    return _collect(result_tokens[:, :count].flatten(0, 1), logprobs, lm.eos_ids)


def _closed_up(going: Tensor) -> Tensor:
    """Indices of the rows that go on, [R], such that few rows move: the last ones take the others' places."""
    kept = going.nonzero()[:, 0]
    order = torch.arange(len(kept), device=kept.device)
    order[~going[: len(kept)]] = kept[kept >= len(kept)]
    return order


def _take(beams: Tensor, order: Tensor) -> Tensor:
    """beams [images, any, steps] in the order [images, kept]."""
    return beams.gather(1, order[:, :, None].expand(-1, -1, beams.shape[-1]))


def _collect(tokens: Tensor, logprobs: Tensor, eos_ids: list[int]) -> list[Decoded]:
    decoded = []
    for row, logprob in zip(tokens.tolist(), logprobs.tolist(), strict=True):
        length = next((i for i, token in enumerate(row) if token in eos_ids), len(row))
        decoded.append(Decoded(row[:length], logprob))
    return decoded
