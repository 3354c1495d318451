"""Captions as a list, as a table, and as a page of a notebook, whatever they say."""

import pickle
from pathlib import Path

import pyarrow as pa
from PIL import Image

from maccap import Caption, Captions
from maccap.captions import ImageLike, ScoredCandidate


def _captions(*texts: str) -> list[Caption]:
    return [
        Caption(text, 0.5 - place / 10, [ScoredCandidate(text, 0.5 - place / 10, -1.5)])
        for place, text in enumerate(texts)
    ]


def test_it_is_a_list() -> None:
    made = _captions("a dog", "a cat")
    captions = Captions(made)
    assert captions == made
    assert [caption.text for caption in captions] == ["a dog", "a cat"]
    assert Captions() == []


def test_a_table_as_that_of_a_run() -> None:
    table = Captions(_captions("a dog", "a cat")).to_table()
    assert table["caption"].to_pylist() == ["a dog", "a cat"]
    assert table["candidates"][0].as_py() == [{"text": "a dog", "clip_score": 0.5, "logprob": -1.5}]
    assert table.schema.field("clip_score").type == pa.float32()
    assert Captions().to_table().schema == table.schema


def test_a_page_shows_images_beside_their_captions(tmp_path: Path) -> None:
    Image.new("RGB", (600, 300), "red").save(tmp_path / "red.png")
    images: list[ImageLike] = [tmp_path / "red.png", Image.new("LA", (40, 40), 100), tmp_path / "gone.png"]
    captions = Captions(_captions("red", "grey", "gone"), images)
    page = captions._repr_html_()
    assert page.count("<img") == 2
    assert len(page) < 20_000
    red = page[: page.index("</td>")]
    captions.sort(key=lambda caption: caption.score)
    assert red[red.index("<img") :] in captions._repr_html_().split("</tr>")[2]
    assert pickle.loads(pickle.dumps(captions))._repr_html_() == captions._repr_html_()


def test_a_page_of_hostile_captions() -> None:
    page = Captions(_captions('<script>alert("x")</script>\n</table>', "costs $5 & $6"))._repr_html_()
    assert "<script" not in page
    assert page.count("</table>") == 1
    assert "costs $5 &amp; $6" in page
    assert page.startswith('<table class="tex2jax_ignore">')


def test_a_page_of_many_shows_the_first() -> None:
    page = Captions(_captions(*map(str, range(1025))))._repr_html_()
    assert page.count("<tr>") == 20
    assert "and 1,005 more" in page
