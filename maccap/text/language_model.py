"""The frozen language model: any Hugging Face causal LM, driven by embeddings instead of tokens.

It adds what decoding from a prefix needs and `generate` does not give: a prefill whose cache several
candidates share, single steps, and logits of the last position alone. All rows of a batch are equally long,
so there is no padding and no attention mask: a row's positions and logits depend on nothing but itself.
"""

import inspect
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from maccap.runtime.batch_sizes import rows_at_once
from maccap.text.kv_cache import FixedCache
from maccap.text.model_sizes import LanguageModelSizes, sizes_of
from maccap.text.self_check import check_decoding, reads_several
from maccap.tower_config import check_weight_index, read_json, refusing_code, without_code


class FrozenLanguageModel(nn.Module):
    """A causal language model and its tokenizer, always in evaluation mode.

    Raises ValueError for a tokenizer that has no end-of-sequence token, and WrongDecodingError, one too, for
    a model that decodes another text than it would read (`maccap.text.self_check`).
    """

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        if tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer {tokenizer.name_or_path!r} has no end-of-sequence token")
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        if not tokenizer("a photo of a dog", add_special_tokens=False)["input_ids"]:
            raise ValueError(
                f"{self.name} has no tokenizer that knows a word: its files are missing. Save it there with "
                "tokenizer.save_pretrained"
            )
        takes = inspect.signature(model.forward).parameters
        self._keeps_few, self._takes_positions = "logits_to_keep" in takes, "position_ids" in takes
        self._cache_argument = "cache" if "cache" in takes else "past_key_values"  # before transformers 5.24
        check_decoding(self)

    @classmethod
    def load(cls, name: str, device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> Self:
        """`name` is a Hugging Face model name or a local folder (safetensors); `dtype` is float32 by default.

        No code of it is run. Of a folder only safetensors are read, and nothing outside it; of a hub's model
        that has none, the weights by torch's loader of weights alone. Raises FileNotFoundError for a local
        folder without a model, OSError for a name that cannot be had, ValueError where weights or a tokenizer
        are missing, and `maccap.tower_config.UnsafeModelError`, a ValueError, for a model that is code.
        """
        local = Path(name).is_dir()
        if local and not any(Path(name).glob("*.safetensors")):
            raise FileNotFoundError(f"{name} has no *.safetensors weights; save a model into it with `save`")
        for index in Path(name).glob("*.safetensors.index.json") if local else ():
            check_weight_index(index, read_json(index))
        with refusing_code(name):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                name,
                output_loading_info=True,
                dtype=dtype or torch.float32,
                local_files_only=local,
                use_safetensors=True if local else None,
                trust_remote_code=False,
                weights_only=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local, trust_remote_code=False)
        model, loading = loaded
        if missing := sorted(loading["missing_keys"]):
            raise ValueError(
                f"{name} has no weights for {len(missing)} of its model's parts, the first {missing[0]}: are "
                "they under other names? Save the model with save_pretrained"
            )
        return cls(model.to(device), tokenizer)

    @property
    def name(self) -> str:
        return self.model.config.name_or_path or self.tokenizer.name_or_path or "of no name"

    @property
    def embedding_dim(self) -> int:
        """H, the width of a token embedding; not always the hidden size (OPT-350m projects it)."""
        return self.model.get_input_embeddings().embedding_dim

    @property
    def bos_id(self) -> int:
        """The token a text starts with: BOS, or EOS for models without one (GPT-2 has one for both)."""
        bos = self.tokenizer.bos_token_id
        return self.tokenizer.eos_token_id if bos is None else bos

    @property
    def eos_ids(self) -> list[int]:
        """Tokens that end a text: first the tokenizer's own, with which texts end in training, and then those
        beside it in the generation config.
        """
        own = self.tokenizer.eos_token_id
        listed = getattr(self.model.generation_config, "eos_token_id", None)
        return [own, *sorted({*listed} - {own})] if isinstance(listed, list) and own in listed else [own]

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    def train(self, mode: bool = True) -> Self:
        """Frozen: stays in evaluation mode, whatever a module that holds it asks."""
        return super().train(False)

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings [..., H] of ids [...]."""
        return self.model.get_input_embeddings()(ids.to(self.device))

    def logits(self, embeddings: Tensor, positions: range | None = None) -> Tensor:
        """Logits [R, len(positions), V] after the embeddings of [R, L, H] at `positions` (none: after all).

        Gradients flow to all embeddings.
        """
        inputs, wanted = embeddings.to(self.dtype), positions or range(embeddings.shape[1])
        if not self._keeps_few:
            return self.model(inputs_embeds=inputs, use_cache=False).logits[:, wanted.start : wanted.stop]
        # as indices: a slice of the hidden states is no contiguous matrix, which costs the head's product
        # three times its time on a CPU
        kept = torch.arange(wanted.start, wanted.stop, device=self.device)
        return self.model(inputs_embeds=inputs, use_cache=False, logits_to_keep=kept).logits

    def prefill(
        self, embeddings: Tensor, room: int = 0, copies: int = 1, part: int | None = None
    ) -> tuple[Tensor, FixedCache]:
        """Logits [R, V] after the last of the embeddings [R, L, H], and the cache to go on from.

        The cache has `room` for that many steps, and `copies` rows side by side for each row of embeddings.
        At most `part` rows are read at once.
        """
        rows, length, width = embeddings.shape
        cache = FixedCache(self.model.config, rows, length + room, copies)
        part = (part or rows_at_once(length, width, self.device)) if cache.takes_parts else rows
        logits = [
            self._last_logits(cache, inputs_embeds=some) for some in embeddings.to(self.dtype).split(part)
        ]
        cache.copy_rows()
        cache.read = length
        return torch.cat(logits), cache

    def prefill_behind(
        self, read: FixedCache, rows: Tensor, ids: Tensor, room: int = 0, copies: int = 1
    ) -> tuple[Tensor, FixedCache]:
        """The same after `rows` [R] of what the cache `read` holds, and then tokens `ids` [R, T] of each.

        For models that share what they have read alone (`shares_reading`).
        """
        length = ids.shape[1]
        cache = read.branched(rows, length + (room if copies == 1 else 0))
        logits = self._last_logits(cache, input_ids=ids)
        cache.read += length
        if copies > 1:
            cache = cache.branched(torch.arange(len(rows), device=self.device), room, copies)
        return logits, cache

    @cached_property
    def shares_reading(self) -> bool:
        """Whether several texts can go on from what was read once."""
        return FixedCache(self.model.config, 1, 1).takes_parts and self._reads_several

    def step(self, ids: Tensor, cache: FixedCache) -> Tensor:
        """Logits [R, V] after one more token a row, ids [R], which takes a place in the cache."""
        logits = self._last_logits(cache, input_ids=ids[:, None])
        cache.read += 1
        return logits

    def read(self, ids: Tensor, cache: FixedCache) -> Tensor:
        """Logits [R, T, V] after each of T more tokens a row, ids [R, T]."""
        if self._reads_several:
            return self.read_together(ids, cache)
        return torch.stack([self.step(token, cache) for token in ids.unbind(1)], dim=1)

    def read_together(self, ids: Tensor, cache: FixedCache) -> Tensor:
        """The same in one pass, which not every model does rightly (`maccap.text.self_check`)."""
        logits = self._logits(cache, ids.shape[1], input_ids=ids)
        cache.read += ids.shape[1]
        return logits

    @cached_property
    def _reads_several(self) -> bool:
        return reads_several(self)

    def sizes(self) -> LanguageModelSizes:
        """Of its blocks and its head."""
        return sizes_of(self.model)

    def weights(self) -> dict[str, Tensor]:
        """All of them, by name."""
        return self.model.state_dict()

    def row_bytes(self, tokens: int) -> int:
        """Memory that one row of `tokens` takes in a decode: keys, values and logits."""
        states, vocab = self._row_elements
        return (tokens * states + 2 * vocab) * self.dtype.itemsize

    @cached_property
    def _row_elements(self) -> tuple[int, int]:
        """Numbers in the keys and values of a token, and in a row's logits; tried out, for any model."""
        with torch.no_grad():
            logits, cache = self.prefill(self.embed(torch.tensor([[self.bos_id]])))
        return cache.numel(), logits.numel()

    def _last_logits(self, cache: FixedCache, **inputs: Tensor) -> Tensor:
        return self._logits(cache, 1, **inputs)[:, -1]

    def _logits(self, cache: FixedCache, last: int, **inputs: Tensor) -> Tensor:
        """Of the last positions at least."""
        (given,) = inputs.values()
        if self._takes_positions:  # some models count wrong by themselves
            first, (rows, length) = cache.read, given.shape[:2]
            positions = torch.arange(first, first + length, device=self.device)
            inputs = {**inputs, "position_ids": positions.expand(rows, -1)}
        kept = {self._cache_argument: cache}
        return self.model(**inputs, **kept, use_cache=True, **self._keep(last)).logits

    def _keep(self, last: int) -> dict[str, int]:
        """Asks for logits of the last positions alone, from models that know how."""
        return {"logits_to_keep": last} if self._keeps_few else {}

    def prompt_ids(self, prompt: str | None = None) -> list[int]:
        """BOS, then the prompt's tokens. Special tokens that a tokenizer would add itself are not doubled."""
        text = self.tokenizer.encode(prompt, add_special_tokens=False) if prompt else []
        return [self.bos_id, *text]

    @property
    def most_tokens(self) -> int | None:
        """How many positions the model has, where it has a table of them."""
        config = self.model.config.get_text_config()
        return getattr(config, "max_position_embeddings", None)

    def caption_rows(self, captions: Sequence[str], max_tokens: int) -> list[list[int]]:
        """[BOS; caption tokens; EOS] of each caption, at most `max_tokens` long with both."""
        texts = self.tokenizer(list(captions), add_special_tokens=False)["input_ids"]
        return [[self.bos_id, *text[: max_tokens - 2], self.tokenizer.eos_token_id] for text in texts]

    @property
    def padding_id(self) -> int:
        """What fills the end of shorter training rows, which the loss passes over."""
        padding = self.tokenizer.pad_token_id
        return self.tokenizer.eos_token_id if padding is None else padding

    def text(self, ids: Sequence[int], first_line: bool = False) -> str:
        """The text of token ids on one line, without special tokens; of `first_line`, the first that says
        something alone.
        """
        text = self.tokenizer.decode(list(ids), skip_special_tokens=True).strip()
        return " ".join((text.splitlines()[:1] or [""])[0].split() if first_line else text.split())

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Write a Hugging Face folder: config, safetensors (float16 when `half`), tokenizer."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = self.model.state_dict()
        if half:
            weights = {
                key: value.half() if value.is_floating_point() else value for key, value in weights.items()
            }
        # one tensor again, which is saved once: rounded or packed, each key has its own
        for tied, source in self.model.all_tied_weights_keys.items():
            weights[tied] = weights[source]
        for part in (self.model.config, self.tokenizer):
            without_code(part)
        self.model.save_pretrained(folder, state_dict=weights)
        self.tokenizer.save_pretrained(folder)
