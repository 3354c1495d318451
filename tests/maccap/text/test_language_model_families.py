"""Also for self_check.py: language-model families, tiny and random: each decodes what it reads, or is
refused by name.

docs/models.md lists what this finds. A verdict of `right` is held against the model's own passes without a
cache, for greedy, sampled and beam decoding: the self-check can neither let a wrong model through nor refuse
a right one.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from maccap.config import DecodingConfig
from maccap.text.decoding import Decoded, decode
from maccap.text.huggingface_engine import HuggingFaceEngine
from maccap.text.language_model import FrozenLanguageModel
from maccap.text.self_check import WrongDecodingError

MODELS_PAGE = Path(__file__).parents[3] / "docs" / "models.md"
VOCAB, PAD, BOS, EOS = 48, 1, 2, 5
STEPS, ROWS, PREFIX = 6, 3, 9

_SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 128,
    "pad_token_id": PAD,
    "bos_token_id": BOS,
    "eos_token_id": EOS,
}
_WINDOW = {"sliding_window": 7}  # shorter than prefix and text
_STATES: dict[str, Any] = {"mamba_d_state": 8, "num_hidden_layers": 4}

# the class in transformers, and what its config needs beside the sizes
RIGHT: dict[str, tuple[str, dict[str, Any]]] = {
    "OPT": ("OPTForCausalLM", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
    "GPT-2": ("GPT2LMHeadModel", {}),
    "GPT-BigCode": ("GPTBigCodeForCausalLM", {}),
    "GPT-NeoX": ("GPTNeoXForCausalLM", {}),
    "GPT-OSS": ("GptOssForCausalLM", {"head_dim": 8, **_WINDOW}),
    "GPT-J": ("GPTJForCausalLM", {"rotary_dim": 4}),
    "CodeGen": ("CodeGenForCausalLM", {"rotary_dim": 4}),
    "BLOOM": ("BloomForCausalLM", {}),
    "MPT": ("MptForCausalLM", {}),
    "Falcon": ("FalconForCausalLM", {}),
    "Llama": ("LlamaForCausalLM", {}),
    "Mistral": ("MistralForCausalLM", _WINDOW),
    "Mixtral": ("MixtralForCausalLM", {}),
    "Qwen2": ("Qwen2ForCausalLM", {}),
    "Qwen2-MoE": (
        "Qwen2MoeForCausalLM",
        {"moe_intermediate_size": 16, "shared_expert_intermediate_size": 16},
    ),
    "Qwen3": ("Qwen3ForCausalLM", {"head_dim": 8}),
    "Qwen3-MoE": ("Qwen3MoeForCausalLM", {"head_dim": 8, "moe_intermediate_size": 16, "num_experts": 8}),
    "Gemma": ("GemmaForCausalLM", {"head_dim": 8}),
    "Gemma 2": ("Gemma2ForCausalLM", {"head_dim": 8, **_WINDOW}),
    "Gemma 3": ("Gemma3ForCausalLM", {"head_dim": 8, **_WINDOW}),
    "Phi": ("PhiForCausalLM", {}),
    "Phi-3": ("Phi3ForCausalLM", {}),
    "OLMo": ("OlmoForCausalLM", {}),
    "OLMo 2": ("Olmo2ForCausalLM", {}),
    "OLMo 3": ("Olmo3ForCausalLM", _WINDOW),
    "OLMoE": ("OlmoeForCausalLM", {"num_experts": 8}),
    "Cohere": ("CohereForCausalLM", {}),
    "Cohere 2": ("Cohere2ForCausalLM", _WINDOW),
    "Granite": ("GraniteForCausalLM", {}),
    "StableLM": ("StableLmForCausalLM", {}),
    "StarCoder 2": ("Starcoder2ForCausalLM", {}),
    "Nemotron": ("NemotronForCausalLM", {}),
    "SmolLM 3": ("SmolLM3ForCausalLM", {}),
    "GLM-4": ("Glm4ForCausalLM", {"head_dim": 8}),
    "ERNIE 4.5": ("Ernie4_5ForCausalLM", {}),
    "BioGPT": ("BioGptForCausalLM", {}),
    "XGLM": ("XGLMForCausalLM", {"d_model": 32, "num_layers": 2, "ffn_dim": 48, "attention_heads": 4}),
    "DeepSeek-V3": (
        "DeepseekV3ForCausalLM",
        {
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 16,
            "qk_rope_head_dim": 8,
            "qk_nope_head_dim": 8,
            "v_head_dim": 8,
            "moe_intermediate_size": 16,
            "n_routed_experts": 8,
            "n_group": 2,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "first_k_dense_replace": 1,
        },
    ),
    "LFM2": ("Lfm2ForCausalLM", {}),
    "Jamba": (
        "JambaForCausalLM",
        {
            **_STATES,
            "attn_layer_period": 2,
            "attn_layer_offset": 1,
            "num_experts": 4,
            "mamba_dt_rank": 4,
            "use_mamba_kernels": False,
        },
    ),
    "Bamba": (
        "BambaForCausalLM",
        {
            **_STATES,
            "attn_layer_indices": [1, 3],
            "mamba_n_heads": 4,
            "mamba_d_head": 16,
            "mamba_chunk_size": 8,
        },
    ),
    "Mamba": ("MambaForCausalLM", {"state_size": 8, "time_step_rank": 4}),
    "FalconMamba": ("FalconMambaForCausalLM", {"state_size": 8, "time_step_rank": 4}),
}

_RWKV = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 3, "attention_hidden_size": 32}
_GEMMA_3N = {
    **_SIZES,
    "num_hidden_layers": 4,
    "intermediate_size": [48] * 4,
    "head_dim": 8,
    "vocab_size_per_layer_input": VOCAB,
    "hidden_size_per_layer_input": 8,
    "laurel_rank": 8,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "num_kv_shared_layers": 2,
    "activation_sparsity_pattern": [0.0] * 4,
    **_WINDOW,
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "RWKV": ("RwkvForCausalLM", _RWKV, "token by token"),
    "Gemma 3n": ("Gemma3nForCausalLM", _GEMMA_3N, "token by token"),
    "GPT": ("OpenAIGPTLMHeadModel", _SIZES, "token by token"),
    "BERT": ("BertLMHeadModel", _SIZES, "reads what follows"),
    "RoBERTa": ("RobertaForCausalLM", _SIZES, "reads what follows"),
    "ELECTRA": ("ElectraForCausalLM", _SIZES, "reads what follows"),
    "BART": ("BartForCausalLM", _SIZES, "cannot be run on embeddings with a cache"),
    "Pegasus": ("PegasusForCausalLM", _SIZES, "cannot be run on embeddings with a cache"),
    "MiniMax": ("MiniMaxForCausalLM", _SIZES, "cannot be run on embeddings with a cache"),
}


def _model(name: str, settings: dict[str, Any]) -> PreTrainedModel:
    """Random, with weights large enough that what stands far before a token still counts."""
    kind = getattr(transformers, name, None)
    if kind is None:
        pytest.skip(f"this transformers has no {name}")
    if "Mamba" in name and "cache" not in inspect.signature(kind.forward).parameters:
        pytest.skip(f"in this transformers {name} keeps its state in a cache of its own")
    torch.manual_seed(0)
    model = kind(kind.config_class(**settings))
    numbers = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.dim() >= 2:
                weight.copy_(torch.randn(weight.shape, generator=numbers) * 1.5 / weight.shape[-1] ** 0.5)
            elif "correct_output_scale" in key:  # 0 at first, not once it is trained
                weight.fill_(1.0)
    model.tie_weights()
    return model


def _tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({f"t{number}": number for number in range(VOCAB)}, unk_token="t3"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token=f"t{BOS}", eos_token=f"t{EOS}", pad_token=f"t{PAD}"
    )


@pytest.mark.parametrize("family", RIGHT)
@torch.no_grad()
def test_it_decodes_what_it_reads(family: str) -> None:
    name, settings = RIGHT[family]
    lm = FrozenLanguageModel(_model(name, {**_SIZES, **settings}), _tokenizer())
    numbers = torch.Generator().manual_seed(1)
    spread = float(lm.embed(torch.arange(VOCAB)).std())
    prefix = torch.randn(ROWS, PREFIX, lm.embedding_dim, generator=numbers) * spread
    prompt = lm.embed(torch.tensor(lm.prompt_ids())).expand(ROWS, -1, -1)
    read = torch.cat([prefix, prompt], dim=1)

    def logprobs(row: int, ids: list[int]) -> torch.Tensor:
        """After the prefix and after each token, without a cache: [1 + tokens, V]."""
        whole = torch.cat([read[row : row + 1], lm.embed(torch.tensor([ids], dtype=torch.long))], dim=1)
        return lm.logits(whole)[0, read.shape[1] - 1 :].log_softmax(-1)

    def gap(texts: list[Decoded], of_each: int) -> float:
        """The most that a text's log-probability is off."""
        most = 0.0
        for position, text in enumerate(texts):
            ids = text.token_ids + ([EOS] if len(text.token_ids) < STEPS else [])
            steps = logprobs(position // of_each, ids)[:-1]
            own = sum(float(steps[step, token]) for step, token in enumerate(ids))
            most = max(most, abs(text.logprob - own))
        return most

    def texts(samples: int, **settings: Any) -> list[Decoded]:
        config = DecodingConfig(
            candidates=samples, samples_per_draw=samples, max_new_tokens=STEPS, **settings
        )
        uniforms = torch.rand(
            ROWS * samples, STEPS, generator=torch.Generator().manual_seed(8), dtype=torch.float64
        )
        return decode(lm, prefix, lm.prompt_ids(), config, uniforms if config.strategy == "sample" else None)

    greedy = texts(1, strategy="greedy")
    for row, text in enumerate(greedy):
        steps = logprobs(row, text.token_ids)
        ended = text.token_ids + ([EOS] if len(text.token_ids) < STEPS else [])
        assert steps[: len(ended)].argmax(-1).tolist() == ended
    assert gap(greedy, 1) < 1e-3
    prefix = HuggingFaceEngine(lm).read(prefix)
    assert gap(texts(1, strategy="greedy"), 1) < 1e-3
    assert gap(texts(1, strategy="sample"), 1) < 1e-3
    assert gap(texts(3, strategy="sample"), 3) < 1e-3
    assert gap(texts(1, strategy="beam", beams=3), 1) < 1e-3


@pytest.mark.parametrize("family", REFUSED)
def test_it_is_refused_by_name(family: str) -> None:
    name, settings, reason = REFUSED[family]
    model = _model(name, settings)
    with pytest.raises(WrongDecodingError, match=reason) as refused:
        FrozenLanguageModel(model, _tokenizer())
    assert name in str(refused.value)


def test_half_precision_is_no_reason_to_refuse() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for family in ("OPT", "Llama", "Gemma 2"):
            name, settings = RIGHT[family]
            FrozenLanguageModel(_model(name, {**_SIZES, **settings}).to(dtype), _tokenizer())
        with pytest.raises(WrongDecodingError, match="RwkvForCausalLM"):
            FrozenLanguageModel(_model("RwkvForCausalLM", _RWKV).to(dtype), _tokenizer())


def test_the_documentation_names_them() -> None:
    assert len(RIGHT) >= 25
    page = " ".join(MODELS_PAGE.read_text(encoding="utf-8").split())
    assert f"right: {', '.join(RIGHT)}; refused: {', '.join(REFUSED)}." in page
