"""Small real parts that every test package shares: random towers, images, the golden file."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import s3fs
import torch
from open_clip.tokenizer import default_bpe
from PIL import Image
from safetensors import safe_open
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from maccap.adaptor.adaptor import Adaptor
from maccap.bundle_writing import write_bundle
from maccap.config import (
    AdaptorConfig,
    BundleConfig,
    ClipSource,
    DecodingConfig,
    LanguageModelSource,
    RegionConfig,
)
from maccap.image.clip import FrozenClip
from maccap.image.preprocessing import PixelSpec
from maccap.text.language_model import FrozenLanguageModel
from pipeline.storage.files import locate
from pipeline.storage.retries import storage
from tests.faulty_proxy import FaultyProxy
from tests.s3_server import s3_environment, s3_server

GOLDEN = Path(__file__).parent / "golden" / "maccap_reference.safetensors"
WORDS = ["a", "the", "on", "in", "of", "with", "and", "red", "blue", "green", "small", "large", "dog", "cat"]
WORDS += ["cup", "chair", "tree", "car", "beach", "street", "desk", "sits"]

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the whole product come first: they lie at the top, and take longest."""
    items.sort(key=lambda item: len(item.path.parts))


@pytest.fixture(scope="session")
def golden() -> dict[str, Tensor]:
    """Weights, inputs and outputs of the authors' code on a tiny model."""
    with safe_open(GOLDEN, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="session")
def bpe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 500 merges of CLIP's own vocabulary."""
    path = tmp_path_factory.mktemp("bpe") / "merges.txt.gz"
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode().split("\n")[:501]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


@pytest.fixture(scope="session")
def make_clip(bpe_path: Path) -> Callable[..., FrozenClip]:
    """A random CLIP: quick or plain GELU, any patch size, either kind of text tower, other vision options."""

    def make(
        *,
        quick_gelu: bool = True,
        patch_size: int = 8,
        custom_text: bool = False,
        proj_bias: bool = False,
        seed: int = 0,
        **vision: object,
    ) -> FrozenClip:
        config = {
            "embed_dim": 32,
            "quick_gelu": quick_gelu,
            "vision_cfg": {
                "image_size": 32,
                "layers": 2,
                "width": 32,
                "head_width": 16,
                "patch_size": patch_size,
                **vision,
            },
            "text_cfg": {
                "context_length": 32,
                "vocab_size": 1014,
                "width": 32,
                "heads": 2,
                "layers": 2,
                "proj_bias": proj_bias,
            },
        }
        torch.manual_seed(seed)
        model = (open_clip.CustomTextCLIP if custom_text else open_clip.CLIP)(**config)
        if custom_text:
            config["custom_text"] = True
        tokenizer = open_clip.SimpleTokenizer(str(bpe_path), context_length=32)
        return FrozenClip(model, tokenizer, config, PixelSpec(32), bpe_path=bpe_path)

    return make


def _word_tokenizer(**specials: str) -> PreTrainedTokenizerFast:
    names = list(dict.fromkeys([*specials.values(), "<unk>"]))
    vocab = {word: index for index, word in enumerate([*names, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if "pad_token" in specials:  # OPT's tokenizer puts BOS in front by itself
        bos = specials["bos_token"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, vocab[bos])]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **specials)


def _byte_tokenizer(**specials: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=list(specials.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials)


@pytest.fixture(scope="session")
def make_lm() -> Callable[..., FrozenLanguageModel]:
    """A random language model of family opt, gpt2 or llama, embeddings 48 wide, with a small vocabulary.

    OPT: BOS, which the tokenizer adds, is also EOS, with a pad token. GPT-2: one special token. Llama: no
    pad.
    """

    def make(family: str = "opt", seed: int = 0) -> FrozenLanguageModel:
        torch.manual_seed(seed)
        tokenizer, model = _families()[family]()
        # a random model hardly ever says the end token; twice its embedding, and about half of the texts end
        model.get_output_embeddings().weight.data[tokenizer.eos_token_id] *= 2
        return FrozenLanguageModel(model, tokenizer)

    return make


def _families() -> dict[str, Callable[[], tuple]]:
    def opt() -> tuple:
        tokenizer = _word_tokenizer(bos_token="</s>", eos_token="</s>", pad_token="<pad>")
        config = OPTConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            word_embed_proj_dim=48,  # narrower than the hidden size, as in OPT-350m
            num_hidden_layers=2,
            ffn_dim=128,
            num_attention_heads=4,
            max_position_embeddings=128,
            init_std=0.3,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        return tokenizer, OPTForCausalLM(config)

    def gpt2() -> tuple:
        tokenizer = _word_tokenizer(bos_token="<|endoftext|>", eos_token="<|endoftext|>")
        end = tokenizer.eos_token_id
        config = GPT2Config(
            vocab_size=len(tokenizer),
            n_embd=48,
            n_layer=2,
            n_head=4,
            n_positions=128,
            initializer_range=0.3,
            bos_token_id=end,
            eos_token_id=end,
        )
        return tokenizer, GPT2LMHeadModel(config)

    def llama() -> tuple:
        tokenizer = _byte_tokenizer(bos_token="<s>", eos_token="</s>")
        config = LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
            initializer_range=0.3,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        return tokenizer, LlamaForCausalLM(config)

    return {"opt": opt, "gpt2": gpt2, "llama": llama}


@pytest.fixture(scope="session")
def make_adaptor() -> Callable[..., Adaptor]:
    """A random adaptor from 32-wide CLIPs to 48-wide language models."""

    def make(seed: int = 0, **settings: Any) -> Adaptor:
        torch.manual_seed(seed)
        sizes = {"clip_dim": 32, "llm_dim": 48, "queries": 6, "heads": 4, "feedforward": 64}
        config = AdaptorConfig(**{**sizes, **settings})
        adaptor = Adaptor(config).eval()
        # random layers hardly tell two images apart; larger ones do
        for parameter in adaptor.parameters():
            if parameter.dim() > 1:
                parameter.data *= 3
        return adaptor

    return make


@pytest.fixture(scope="session")
def small_bundle(
    tmp_path_factory: pytest.TempPathFactory,
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> Path:
    """A whole random bundle with its own towers (OPT, four candidates, four regions)."""
    folder = tmp_path_factory.mktemp("bundle")
    adaptor = make_adaptor()
    config = BundleConfig(
        clip=ClipSource(name="clip"),
        llm=LanguageModelSource(name="llm"),
        adaptor=adaptor.config,
        regions=RegionConfig(count=4),
        decoding=DecodingConfig(candidates=4, max_new_tokens=8),
    )
    write_bundle(folder, config, make_clip(), make_lm(), adaptor)
    return folder


@pytest.fixture(scope="session")
def photos() -> list[Image.Image]:
    """Eight different RGB images of different sizes and shapes."""
    numbers = np.random.default_rng(0)
    sizes = [(40, 40), (64, 48), (33, 90), (100, 35), (32, 32), (20, 20), (57, 31), (200, 150)]
    return [
        Image.fromarray(numbers.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture
def bundle_config(small_bundle: Path) -> dict:
    """The small bundle's `config.json` as a plain document, to alter."""
    return json.loads((small_bundle / "config.json").read_text())


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """A real S3 server over HTTP, with the bucket `bucket`."""
    with s3_server() as url:
        yield url


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """That server behind a proxy without faults, as the environment of S3 clients names it."""
    with FaultyProxy(s3_url) as proxy:
        for name, value in s3_environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(storage, "first_wait", 0.05)
        s3fs.S3FileSystem.clear_instance_cache()
        locate("s3://bucket")[0].makedirs("bucket", exist_ok=True)
        yield proxy
    s3fs.S3FileSystem.clear_instance_cache()
