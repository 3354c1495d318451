"""Also for tower_config.py: bundles with code, pickles or paths out of themselves: refused, the file named
and nothing run.
"""

import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from maccap import Captioner
from maccap.bundle import Bundle, built_in_bundle_path
from maccap.tower_config import UnsafeModelError
from tests.maccap.hostile_model import Touch, edit, name_code, put_code


@pytest.fixture
def bundle(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one's own to spoil."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))


def refused(bundle: Path | str, what: str) -> None:
    """Whoever opens it is told `what`, on one short line."""
    with pytest.raises(UnsafeModelError, match=what) as caught:
        Captioner.from_pretrained(bundle)
    assert len(str(caught.value).removeprefix(str(bundle))) < 340


def test_code_in_a_tower_is_never_run(bundle: Path, tmp_path: Path) -> None:
    """The tokenizer's, which open_clip would run: `trust_remote_code` is among its arguments."""
    marker = tmp_path / "ran"
    shutil.copytree(bundle / "llm", bundle / "clip", dirs_exist_ok=True)
    (bundle / "clip" / "model.safetensors").unlink()
    put_code(bundle / "clip", marker)
    edit(
        bundle / "clip" / "open_clip_config.json",
        model_cfg__text_cfg__tokenizer_kwargs={"trust_remote_code": True},
        model_cfg__text_cfg__hf_tokenizer_name="x",
    )
    refused(bundle, r"clip/hostile\.py is refused.*code.*Remove it")
    (bundle / "clip" / "hostile.py").unlink()
    refused(bundle, r"clip/config\.json is refused.*auto_map")
    for name in ("config.json", "tokenizer_config.json"):
        (bundle / "clip" / name).unlink()
    refused(bundle, r"open_clip_config\.json .* model_cfg\.text_cfg\.tokenizer_kwargs\.trust_remote_code")
    assert not marker.exists()


def test_code_that_lies_elsewhere_is_never_run(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named by the tokenizer, the text tower or the language model, as a path or below the current folder."""
    marker = tmp_path / "ran"
    put_code(tmp_path / "elsewhere" / "evil", marker)
    monkeypatch.chdir(tmp_path / "elsewhere")
    text = "model_cfg__text_cfg__"
    for name in (str(tmp_path / "elsewhere" / "evil"), "./evil", "../elsewhere/evil"):
        for key in ("hf_tokenizer_name", "hf_model_name"):
            shutil.copytree(bundle, tmp_path / "spoilt", dirs_exist_ok=True)
            edit(tmp_path / "spoilt" / "clip" / "open_clip_config.json", **{text + key: name})
            refused(tmp_path / "spoilt", f"open_clip_config.json .*{key} names a folder outside")
    edit(bundle / "clip" / "open_clip_config.json", **{text + "hf_model_name": "evil"})
    with pytest.raises(UnsafeModelError, match="evil is a model with code of its own"):
        Bundle.open(bundle).load_clip()
    edit(bundle / "config.json", llm={"name": str(tmp_path / "elsewhere" / "evil")})
    shutil.copy(bundle / "llm" / "model.safetensors", tmp_path / "elsewhere" / "evil")
    with pytest.raises(UnsafeModelError, match="evil is a model with code of its own"):
        Bundle.open(bundle).load_sampler()
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("run.py", "code"),
        ("llm/modeling_x.PY", "code"),
        ("clip/kernels/fast.so", "code"),
        ("llm/pytorch_model.bin", "can run code"),
        ("training.pkl", "can run code"),
        ("clip/open_clip_pytorch_model.pt", "can run code"),
        ("last.ckpt", "can run code"),
        ("features.npy", "can run code"),
        ("llm/model.onnx", "no kind of file"),
        ("llm/run", "no kind of file"),
        ("llm/adapter_config.json", "merge_and_unload"),
    ],
)
def test_files_that_are_no_data_are_refused(bundle: Path, tmp_path: Path, name: str, why: str) -> None:
    (bundle / name).parent.mkdir(exist_ok=True)
    (bundle / name).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    refused(bundle, f"{re.escape(name)} is refused.*{why}")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_under_the_name_of_weights_is_not_unpickled(bundle: Path, tmp_path: Path) -> None:
    for name in ("adaptor.safetensors", "clip/open_clip_model.safetensors", "llm/model.safetensors"):
        (bundle / name).write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    opened = Bundle.open(bundle)
    for load in (opened.load_adaptor, opened.load_clip, opened.load_sampler):
        with pytest.raises(Exception, match=r"(?i)header|safetensors"):
            load()
    assert not (tmp_path / "ran").exists()


def test_what_models_come_with_is_let_in(bundle: Path) -> None:
    """What Hugging Face's folders of OPT, GPT-2, Llama and Qwen hold beside weights, and what `maccap train`
    leaves in its OUTPUT.
    """
    before = Bundle.open(bundle).fingerprint
    names = [
        "README.md",
        "LICENSE",
        "LICENSE-2.0.txt",
        ".gitattributes",
        ".cache/huggingface/x.lock",
        "_SUCCESS",
    ]
    names += ["sheet.png", "metrics/steps-1.jsonl", "checkpoints/step-1.safetensors", "USE_POLICY.md"]
    names += ["tensorboard/events.out.tfevents.17.host.1.0", "infra/config.yaml"]
    for name in names:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).touch()
    assert Bundle.open(bundle).fingerprint == before
    for name in ("merges.txt", "tokenizer.model", "chat_template.jinja", "qwen.tiktoken"):
        (bundle / "llm" / name).touch()
    edit(bundle / "llm" / "vocab.json", **{"../x": 1, "auto_map": 2})
    edit(
        bundle / "llm" / "config.json",
        _name_or_path="/checkpoint/step_9/consolidated",
        torch_dtype="float16",
        attn_implementation="eager",
    )
    edit(bundle / "llm" / "tokenizer_config.json", special_tokens_map_file="/elsewhere/special.json")
    assert Bundle.open(bundle).load_sampler().engine.language_model().embedding_dim == 48


@pytest.mark.parametrize(
    ("file", "entry", "value"),
    [
        ("llm/config.json", "auto_map", {"AutoConfig": "other/repo--x.Y"}),
        ("llm/config.json", "trust_remote_code", True),
        ("llm/config.json", "attn_implementation", "someone/kernel"),
        ("llm/config.json", "transformers_weights", "adapter_model.bin"),
        ("llm/config.json", "text_config", {"auto_map": {"AutoModel": "x.Y"}}),
        ("llm/config.json", "base_model_name_or_path", "someone/model"),
        ("llm/generation_config.json", "custom_generate", "someone/generate"),
        ("llm/tokenizer_config.json", "vocab_file", "/etc/passwd"),
        ("llm/tokenizer_config.json", "merges_file", "../../secret.txt"),
        ("llm/tokenizer_config.json", "fast_tokenizer_files", ["tokenizer.1/../../x.json"]),
        ("llm/tokenizer_config.json", "init_inputs", ["/etc/passwd"]),
        ("llm/model.safetensors.index.json", "weight_map", {"x": "../../etc/passwd"}),
        ("llm/model.safetensors.index.json", "weight_map", {"x": "weights.bin"}),
        ("clip/open_clip_config.json", "model_cfg__text_cfg__tokenizer_kwargs", {"bpe_path": "/etc/passwd"}),
        ("clip/open_clip_config.json", "model_cfg__text_cfg__tokenizer_kwargs", {"reduction_mask": "syntax"}),
        ("clip/open_clip_config.json", "model_cfg__vision_cfg__norm_kwargs", {"callback": "os.system"}),
        ("clip/open_clip_config.json", "model_cfg__cache_dir", "/tmp"),
        ("clip/open_clip_config.json", "model_cfg__text_cfg", [1]),
    ],
)  # fmt: skip
def test_configs_that_lead_elsewhere_are_refused(bundle: Path, file: str, entry: str, value: object) -> None:
    edit(bundle / file, **{entry: value})
    refused(bundle, f"{re.escape(file)} is refused.*{entry.split('__')[-1]}")


@pytest.mark.parametrize(
    ("entry", "value", "what"),
    [
        ("clip__name", "../clip", "clip.name .*leads out"),
        ("llm__name", "local-dir:../../llm", "llm.name .*leads out"),
        ("llm__name", "a/../../llm", "llm.name .*leads out"),
        ("clip__pretrained", "/tmp/evil.pt", "clip.pretrained .* is a file"),
        ("clip__pretrained", "evil.safetensors", "clip.pretrained .* is a file"),
    ],
)
def test_models_are_named_by_name_or_folder(bundle: Path, entry: str, value: str, what: str) -> None:
    edit(bundle / "config.json", **{entry: value})
    refused(bundle, what)


def test_links_out_of_a_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "llm").rename(tmp_path / "outside")
    (bundle / "llm").symlink_to(tmp_path / "outside")
    refused(bundle, f"llm is a link out of the bundle, to {tmp_path / 'outside'}")
    (bundle / "llm").unlink()
    (tmp_path / "outside").rename(bundle / "llm")
    (bundle / "notes.txt").symlink_to("/etc/passwd")
    refused(bundle, r"notes\.txt is a link out of the bundle")
    (bundle / "notes.txt").unlink()
    (bundle / "copy.md").symlink_to("config.json")
    assert Bundle.open(bundle)
    (bundle / "loop.md").symlink_to("loop.md")
    refused(bundle, r"loop\.md is no file")


def test_a_pipe_is_not_waited_for(bundle: Path) -> None:
    (bundle / "memory.safetensors").unlink(missing_ok=True)
    os.mkfifo(bundle / "memory.safetensors")
    refused(bundle, r"memory\.safetensors is no file")


def test_a_bundle_in_the_hubs_cache_is_links_to_its_blobs(small_bundle: Path, tmp_path: Path) -> None:
    top = tmp_path / "models--me--scenes"
    (top / "blobs").mkdir(parents=True)
    for number, path in enumerate(path for path in sorted(small_bundle.rglob("*")) if path.is_file()):
        blob, link = (
            top / "blobs" / f"{number:064x}",
            top / "snapshots" / "1f" / path.relative_to(small_bundle),
        )
        shutil.copy(path, blob)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    opened = Bundle.open(top / "snapshots" / "1f")
    assert opened.fingerprint == Bundle.open(small_bundle).fingerprint
    assert opened.load_clip().embed_dim == 32


def test_of_a_bundle_far_away_nothing_lands_outside_the_cache(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACCAP_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.put(f"{small_bundle}/", "/hostile/", recursive=True)
    memory.pipe("/hostile/.git/hooks/run.py", b"")  # hidden: not fetched
    assert not list(Bundle.open("memory://hostile").folder.glob(".*"))
    for name, what in (
        ("llm/../../../../planted.json", "leads out"),
        ("llm/tokenizer.py", "code"),
        ("x\\..\\y.json", "leads out"),
    ):
        # as an object store lists it; MemoryFileSystem.pipe would resolve the dots
        memory.store[f"/hostile/{name}"] = memory.store["/hostile/config.json"]
        refused("memory://hostile", what)
        del memory.store[f"/hostile/{name}"]
    assert not list(tmp_path.rglob("planted*"))
    edited = small_bundle.joinpath("config.json").read_text().replace('"llm"', f'"{tmp_path}"', 2)
    memory.pipe("/hostile/config.json", edited.replace(f'"{tmp_path}":', '"llm":').encode())
    refused("memory://hostile", "is a path of the machine it was made on")


def test_the_packages_own_bundle_passes(tmp_path: Path) -> None:
    copy = shutil.copytree(built_in_bundle_path(), tmp_path / "scenes")
    assert Bundle.open(copy).fingerprint == Bundle.open(built_in_bundle_path()).fingerprint


def test_what_is_saved_names_no_code(bundle: Path, tmp_path: Path, make_lm: Callable[..., object]) -> None:
    """A model that transformers knows may name code of earlier days; it is neither run nor passed on."""
    family = "opt"
    lm = make_lm(family)
    lm.save(tmp_path / "named")
    edit(tmp_path / "named" / "config.json", auto_map={"AutoModelForCausalLM": "modeling_opt.OPT"})
    edit(tmp_path / "named" / "tokenizer_config.json", auto_map={"AutoTokenizer": ["x.Slow", None]})
    (tmp_path / "named" / "modeling_opt.py").write_text("raise SystemExit")
    (tmp_path / "named" / "pytorch_model.bin").write_bytes(b"never read")
    shutil.rmtree(bundle / "llm")
    type(lm).load(str(tmp_path / "named")).save(bundle / "llm")
    assert Bundle.open(bundle).load_sampler().engine.language_model().embedding_dim == lm.embedding_dim
    name_code(tmp_path / "named")
    with pytest.raises(UnsafeModelError, match="code of its own"):
        type(lm).load(str(tmp_path / "named"))
