"""Folders as the tools of the field write them: what is taken, and what is said."""

import json
from collections.abc import Iterable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.storage.errors import UserError
from pipeline.texts import CaptionSet, load_captions
from tests.images import encoded, picture, write_tar

TEXTS = [f"A dog and {number} cats." for number in range(8)]
JPEG = encoded(picture())


def _write(folder: Path, files: dict[str, str | bytes | dict]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps(content) if isinstance(content, dict) else content
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def _table(path: Path, texts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"caption": list(texts), "url": [f"https://host/{t}" for t in texts]}), path)


def _load(folder: Path, *sources: str) -> CaptionSet:
    return load_captions([str(folder / source) for source in sources or ("",)])


def _notes(captions: CaptionSet) -> str:
    return "\n".join(captions.notes)


def _once_each(captions: CaptionSet) -> bool:
    return sorted(captions.texts) == TEXTS and captions.repeats == [1] * len(TEXTS) and not captions.dropped


def test_img2dataset_tars(tmp_path: Path) -> None:
    for shard in range(2):
        members: list[tuple[str, bytes]] = [("._0.txt", b"hidden")]
        for number, text in enumerate(TEXTS[4 * shard : 4 * shard + 4]):
            record = json.dumps({"caption": text, "url": "https://host/a.jpg"}).encode()
            members += [(f"{number}.jpg", JPEG), (f"{number}.json", record), (f"{number}.txt", text.encode())]
        write_tar(tmp_path / f"{shard:05d}.tar", members)
        _table(tmp_path / f"{shard:05d}.parquet", [*TEXTS[4 * shard : 4 * shard + 4], "a dead link"])
        _write(tmp_path, {f"{shard:05d}_stats.json": {"count": 4, "successes": 4}})
    captions = _load(tmp_path)
    assert _once_each(captions)
    assert f"{tmp_path}: tars (2)" in _notes(captions)
    assert "folders of the same name (2, like 00000.parquet); statistics of img2dataset (2, like" in _notes(
        captions
    )
    assert _once_each(_load(tmp_path, "*.tar"))
    assert "a dead link" in _load(tmp_path, "00000.parquet").texts


def test_img2dataset_files(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        key = f"0000{number // 4}/0000{number:05d}"
        _write(
            tmp_path, {f"{key}.jpg": JPEG, f"{key}.txt": text, f"{key}.json": {"caption": text, "width": 3}}
        )
    for shard in ("00000", "00001"):
        _table(tmp_path / f"{shard}.parquet", TEXTS)
        _write(tmp_path, {f"{shard}_stats.json": {"count": 4}})
    captions = _load(tmp_path)
    assert _once_each(captions)
    assert f"{tmp_path}: texts beside images (8)" in _notes(captions)
    assert "JSON files beside texts (8, like 000000000.json)" in _notes(captions)


def test_img2dataset_parquet(tmp_path: Path) -> None:
    _table(tmp_path / "00000.parquet", TEXTS)
    _write(tmp_path, {"00000_stats.json": {"count": 8}})
    assert _once_each(_load(tmp_path))


def test_pairs(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        _write(
            tmp_path, {f"10_dog/{number}.png": JPEG, f"10_dog/{number}.txt": "dog, grass" if number else text}
        )
        if number:
            _write(tmp_path, {f"10_dog/{number}.caption": text})
    _write(tmp_path, {"10_dog/3.npz": b"PK", "meta_lat.json": {"a": {"train_resolution": [512, 512]}}})
    _write(tmp_path, {"10_dog/._0.txt": b"\0\5", "10_dog/.cache/x.txt": "hidden", ".DS_Store": b"\0"})
    captions = _load(tmp_path)
    assert _once_each(captions)
    assert "texts beside a .caption (7, like 1.txt)" in _notes(captions)
    assert "JSON of another shape (1, like meta_lat.json)" in _notes(captions)
    assert "hidden" not in _load(tmp_path, "**").texts


def test_pairs_of_boxes_are_no_captions(tmp_path: Path) -> None:
    """As YOLO labels images, among real ones."""
    for number, text in enumerate(["0 0.5 0.5 0.2 0.3", "2 0.1 0.5 0.2 0.3\n1 0.2 0.5 0.2 0.3\n", "A dog."]):
        _write(tmp_path, {f"{number}.jpg": JPEG, f"{number}.txt": text})
    captions = _load(tmp_path)
    assert captions.texts == ["A dog."]
    assert sum(dropped.count for dropped in captions.dropped.values()) == 3


def test_a_json_for_each_image(tmp_path: Path) -> None:
    for number, text in enumerate(TEXTS):
        _write(tmp_path, {f"{number}.jpg": JPEG, f"{number}.json": {"caption": text, "width": 3}})
    assert _once_each(_load(tmp_path))


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv", "metadata.parquet"])
def test_imagefolder(tmp_path: Path, name: str) -> None:
    rows = {"file_name": [f"{number}.jpg" for number in range(8)], "text": TEXTS}
    pairs = list(zip(*rows.values(), strict=True))
    _write(tmp_path, {f"train/{file}": JPEG for file, _ in pairs})
    if name.endswith("parquet"):
        pq.write_table(pa.table(rows), tmp_path / "train" / name)
    elif name.endswith("csv"):
        _write(tmp_path / "train", {name: "\n".join(["file_name,text", *map(",".join, pairs)])})
    else:
        lines = (json.dumps({"file_name": file, "text": text}) for file, text in pairs)
        _write(tmp_path / "train", {name: "\n".join(lines)})
    _write(
        tmp_path, {"README.md": "# Dogs", "dataset_info.json": {"features": {"image": {"_type": "Image"}}}}
    )
    captions = _load(tmp_path)
    assert _once_each(captions)
    assert f"{name}: " in _notes(captions)
    assert "captions in `text`" in _notes(captions)


def test_flickr8k(tmp_path: Path) -> None:
    names = [f"{1000268201 + number}_693b08cb0e.jpg" for number in range(8)]
    lines = (f"{name}#0\t{text}" for name, text in zip(names, TEXTS, strict=True))
    _write(tmp_path, {"Flickr8k.token.txt": "\n".join(lines), "Flickr_8k.trainImages.txt": "\n".join(names)})
    _write(tmp_path, {"ExpertAnnotations.txt": "".join(f"{name}\t{name}#2\t1\t1\n" for name in names)})
    _write(tmp_path, {"readme.txt": "If you use this data, cite us.\n"})
    captions = _load(tmp_path)
    assert captions.texts == TEXTS
    assert "lists of names (1, like ExpertAnnotations.txt)" in _notes(captions)
    assert [str(reason) for reason in captions.dropped] == ["file names, URLs or ids"]


def test_what_holds_no_captions_is_left_out_of_a_folder_and_refused_by_name(tmp_path: Path) -> None:
    _write(tmp_path, {"a.json": {"x": [1]}, "b.json": '[{"bbox": 1}]', "c.csv": "id,utterance\n1,A cat\n"})
    with pytest.raises(UserError, match=r"a.json has no captions where they are looked for"):
        _load(tmp_path)
    _write(tmp_path, {"d.txt": "A dog.\n"})
    captions = _load(tmp_path)
    assert (captions.texts, captions.dropped) == (["A dog."], {})
    assert "JSON of another shape (2, like a.json)" in _notes(captions)
    assert "only --column can tell (1, like c.csv)" in _notes(captions)
    for name in ("a.json", "b.json", "c.csv"):
        with pytest.raises(UserError, match=f"{name} has no"):
            _load(tmp_path, "d.txt", name)
        with pytest.raises(UserError, match=f"{name} has no"):
            _load(tmp_path, "", name)


def test_a_damaged_file_of_a_folder_is_not_left_out(tmp_path: Path) -> None:
    _write(tmp_path, {"a.txt": "A dog.\n", "b.json": '[{"caption": "A cat."}, {"capt'})
    with pytest.raises(UserError, match=r"b.json cannot be read: .*cut short or damaged"):
        _load(tmp_path)


def test_captions_of_a_run_are_no_text_to_train_on_unless_named(tmp_path: Path) -> None:
    _write(tmp_path, {"captions.txt": "A dog.\n", "train.json": '["A cup."]', "out/run.json": {}})
    _table(tmp_path / "out/captions/00000.parquet", ["generated"])
    _write(
        tmp_path,
        {"model/train.json": {}, "model/metrics/0.jsonl": {"step": 1}, "model/llm/merges.txt": "a b"},
    )
    _write(tmp_path, {f"cache/{'0a' * 16}/texts.txt": "generated", f"cache/{'0b' * 16}/complete.json": {}})
    _write(tmp_path, {"opt/config.json": {}, "opt/tokenizer.json": {}, "opt/merges.txt": "a b\n"})
    captions = _load(tmp_path)
    assert captions.texts == ["A dog.", "A cup."]
    for kind in ("run folders of", "OUTPUT folders of", "feature caches of", "folders of models"):
        assert kind in _notes(captions)
    assert "generated" not in _load(tmp_path, "**/*").texts
    assert _load(tmp_path, "out/captions/*.parquet").texts == ["generated"]
    assert _load(tmp_path, "*/captions/*.parquet").texts == ["generated"]
    with pytest.raises(UserError, match=r"but one of the run folders of `maccap caption`.*RUN/captions"):
        _load(tmp_path, "out")


def test_a_link_to_a_folder_above_leads_nowhere(tmp_path: Path) -> None:
    _write(tmp_path, {"a/x.txt": "A dog.\n"})
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    captions = _load(tmp_path)
    assert (captions.texts, captions.repeats) == (["A dog."], [1])


def test_many_small_files_of_an_object_store_stay_in_order() -> None:
    memory = fsspec.filesystem("memory")
    texts = [f"A dog and {number} cats." for number in range(300)]
    for number, text in enumerate(texts):
        memory.pipe({f"/pairs/{number:03d}.jpg": b"x", f"/pairs/{number:03d}.txt": text.encode()})
    try:
        captions = load_captions(["memory://pairs"])
    finally:
        memory.rm("/pairs", recursive=True)
    assert captions.texts == texts
    assert captions.sources[7] == "memory:///pairs/007.txt"
