"""Images to captions through the public class, with every family of towers, from and to bundles."""

import doctest
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import maccap
import maccap.captioner
from maccap.adaptor.adaptor import Adaptor
from maccap.answerer import Answer
from maccap.bundle_writing import write_bundle
from maccap.captioner import Captioner
from maccap.config import (
    BundleConfig,
    ClipSource,
    DecodingConfig,
    LanguageModelSource,
    RegionConfig,
)
from maccap.image.clip import FrozenClip
from maccap.text.language_model import FrozenLanguageModel
from tests.images import encoded


@pytest.fixture(scope="module")
def captioner(small_bundle: Path) -> Captioner:
    return maccap.Captioner.from_pretrained(small_bundle, device="cpu")


@pytest.mark.parametrize(
    ("family", "clip_kind"),
    [
        ("opt", {"quick_gelu": True}),
        ("gpt2", {"quick_gelu": False, "patch_size": 16}),
        ("llama", {"custom_text": True, "no_ln_pre": True}),
    ],
)
def test_captions_of_every_family(
    family: str,
    clip_kind: dict,
    tmp_path: Path,
    photos: list[Image.Image],
    make_clip: Callable[..., FrozenClip],
    make_lm: Callable[..., FrozenLanguageModel],
    make_adaptor: Callable[..., Adaptor],
) -> None:
    adaptor = make_adaptor()
    config = BundleConfig(
        clip=ClipSource(name="anything"),
        llm=LanguageModelSource(name="anything"),
        adaptor=adaptor.config,
        regions=RegionConfig(count=4, weighting="attention"),
        decoding=DecodingConfig(candidates=3, max_new_tokens=6),
    )
    write_bundle(tmp_path, config, make_clip(**clip_kind), make_lm(family), adaptor)
    captions = Captioner.from_pretrained(tmp_path, device="cpu").caption(photos)
    assert len(captions) == len(photos)
    for caption in captions:
        assert len(caption.candidates) == 3
        assert caption.score == max(candidate.clip_score for candidate in caption.candidates)
        assert caption.text in {candidate.text for candidate in caption.candidates}
        assert all(candidate.logprob < 0 for candidate in caption.candidates)
    assert len({caption.text for caption in captions}) > 1


def test_score_is_clips_cosine_of_caption_and_image(captioner: Captioner, photos: list[Image.Image]) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    caption = captioner.caption(photos[:1])[0]
    model = captioner.features.clip.model
    image = model.encode_image(
        image_transform_v2(PreprocessCfg(size=32), is_train=False)(photos[0])[None], normalize=True
    )
    text = model.encode_text(captioner.features.clip.tokenize([caption.text]), normalize=True)
    assert caption.score == pytest.approx(float(image[0] @ text[0]), abs=1e-3)  # half precision


def test_same_caption_in_any_company(captioner: Captioner, photos: list[Image.Image]) -> None:
    whole = captioner.caption(photos)
    for batch_images in (1, 3):
        again = captioner.caption(photos[::-1], batch_images=batch_images)[::-1]
        assert [caption.text for caption in again] == [caption.text for caption in whole]
        for ours, theirs in zip(again, whole, strict=True):
            assert [c.text for c in ours.candidates] == [c.text for c in theirs.candidates]


def test_paths_and_images_are_the_same(
    captioner: Captioner, photos: list[Image.Image], tmp_path: Path
) -> None:
    paths = []
    for index, photo in enumerate(photos[:3]):
        paths.append(tmp_path / f"{index}.png")
        photo.save(paths[-1])
    assert captioner.caption([paths[0], str(paths[1]), photos[2]]) == captioner.caption(photos[:3])


def test_ids_and_seed_key_the_candidates(captioner: Captioner, photos: list[Image.Image]) -> None:
    photo = photos[:1]
    assert captioner.caption(photo, ids=["a"]) == captioner.caption(photo, ids=["a"])
    assert captioner.caption(photo, ids=["a"]) != captioner.caption(photo, ids=["b"])
    assert captioner.caption(photo, seed=1) != captioner.caption(photo, seed=2)
    with pytest.raises(ValueError, match="1 images, but 2 ids"):
        captioner.caption(photo, ids=["a", "b"])


def test_decoding_may_be_chosen(captioner: Captioner, photos: list[Image.Image]) -> None:
    greedy = DecodingConfig(strategy="greedy", candidates=1, max_new_tokens=3)
    captions = captioner.caption(photos, decoding=greedy)
    assert all(len(caption.candidates) == 1 for caption in captions)
    assert all(len(caption.text.split()) <= 3 for caption in captions)


def test_saved_captioner_says_the_same(
    captioner: Captioner, photos: list[Image.Image], tmp_path: Path
) -> None:
    captioner.save_pretrained(tmp_path / "copy")
    loaded = Captioner.from_pretrained(str(tmp_path / "copy"), device="cpu")
    assert loaded.caption(photos) == captioner.caption(photos)


def test_no_images_no_captions(captioner: Captioner) -> None:
    assert captioner.caption([]) == []
    assert captioner.ask([], ["what"]) == []


def test_a_caption_goes_on_from_a_prompt(captioner: Captioner, photos: list[Image.Image]) -> None:
    assert captioner.caption(photos, prompt="a dog") != captioner.caption(photos)
    captions = captioner.caption(photos, prompt="a dog")
    assert all(c.text.startswith("a dog") for caption in captions for c in caption.candidates)


def told(answers: list[list[Answer]]) -> list[list[Any]]:
    """Question, text and log-probability, which the number of rows changes in its last bits."""
    return [
        [(one.question, one.text, pytest.approx(one.logprob, abs=1e-4)) for one in row] for row in answers
    ]


def test_a_single_image_and_a_damaged_file_are_told(
    captioner: Captioner, photos: list[Image.Image], tmp_path: Path
) -> None:
    for image in (photos[0], "photo.jpg", tmp_path):
        with pytest.raises(ValueError, match="must be a list"):
            captioner.caption(image)  # type: ignore[arg-type]
    (tmp_path / "cut.jpg").write_bytes(encoded(photos[0])[:-200])
    with pytest.raises(ValueError, match=r"cut\.jpg cannot be read"):
        captioner.caption([photos[0], tmp_path / "cut.jpg"])


def test_images_of_any_kind_and_from_anywhere(captioner: Captioner, photos: list[Image.Image]) -> None:
    expected = [caption.text for caption in captioner.caption(photos[:2])]
    assert [caption.text for caption in captioner.caption(photo for photo in photos[:2])] == expected
    file = BytesIO()
    photos[0].save(file, "PNG")
    assert [caption.text for caption in captioner.caption([file])] == expected[:1]  # type: ignore[list-item]
    for other in (np.asarray(photos[0]), b"\xff\xd8", None):
        with pytest.raises(TypeError, match="an image is one of PIL's, a path or an open file, not a"):
            captioner.caption([other])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="cannot be read"):
        captioner.caption([Image.new("RGB", (0, 0))])


@pytest.mark.parametrize("wrong", [{"batch_images": -1}, {"batch_images": 0}, {"region_captions": -1}])
def test_numbers_that_leave_nothing_are_refused(
    captioner: Captioner, photos: list[Image.Image], wrong: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        captioner.caption(photos[:1], **wrong)  # type: ignore[arg-type]


def test_the_same_questions_for_every_image_or_its_own(
    captioner: Captioner, photos: list[Image.Image]
) -> None:
    questions = ["a dog", "the cat and a red dog"]
    answers = captioner.ask(photos, questions, batch_images=3)
    assert [[answer.question for answer in row] for row in answers] == [questions] * len(photos)
    assert told(answers) == told(captioner.ask(photos, [questions] * len(photos)))
    own = captioner.ask(photos[:2], [[], ["a dog"]])
    assert told(own) == [[], told(answers)[1][:1]]
    assert captioner.ask(photos[:1], questions, ids=["a"]) != captioner.ask(photos[:1], questions, ids=["b"])


@pytest.mark.parametrize("questions", ["a dog", ["a dog", ["a cat"]], [["a dog"]]])
def test_questions_that_fit_no_images(
    captioner: Captioner, photos: list[Image.Image], questions: list
) -> None:
    with pytest.raises(ValueError, match="questions"):
        captioner.ask(photos[:2], questions)


def test_the_examples_of_the_documentation() -> None:
    ran = doctest.testmod(maccap.captioner, optionflags=doctest.ELLIPSIS)
    assert ran.attempted > 0
    assert ran.failed == 0
