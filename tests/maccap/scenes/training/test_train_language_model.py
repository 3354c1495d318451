from itertools import islice
from pathlib import Path

import numpy as np
import torch

from maccap.adaptor.caption_tokens import CaptionTokens
from maccap.scenes.training.train_language_model import documents, train_language_model, train_tokenizer
from maccap.scenes.world.captions import scene_captions
from maccap.scenes.world.scene import split_scenes
from maccap.text.language_model import FrozenLanguageModel


def test_the_tokenizer_keeps_every_caption_and_any_other_text() -> None:
    tokenizer = train_tokenizer(captions=500)
    numbers = np.random.default_rng(0)
    texts = [text for scene in split_scenes("test", 50, 0) for text in scene_captions(scene, numbers)]
    for text in [*texts, "Größe 7, naïve 猫!"]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert np.mean([len(tokenizer(text)["input_ids"]) for text in texts]) < 14


def test_documents_are_captions_of_one_scene_tags_with_theirs_or_questions() -> None:
    read = list(islice(documents(np.random.default_rng(0)), 400))
    asked = [any(line.startswith("Question: ") for line in document) for document in read]
    assert {len(document) for document, is_asked in zip(read, asked, strict=True) if not is_asked} == {2, 5}
    assert 0.3 < np.mean(asked) < 0.5
    told = [document for document, is_asked in zip(read, asked, strict=True) if is_asked]
    for document in told:
        answered = [line for line in document if " Short answer: " in line]
        assert len(answered) in (3, 4, 5)
        assert len(document) - len(answered) in (0, 1)
    assert 0.02 < np.mean([document[0].startswith("Question: ") for document in told]) < 0.25


def test_two_steps_leave_a_language_model_that_loads(tmp_path: Path) -> None:
    train_language_model(tmp_path, 2, width=32, layers=1, batch=2, length=32)
    lm = FrozenLanguageModel.load(str(tmp_path))
    ids, mask = CaptionTokens(lm, ["a dog on the beach", "two cats"], 25).batch(np.array([0, 1]))
    assert lm.logits(lm.embed(ids)).shape[:2] == mask.shape
    assert lm.text(ids[0][mask[0]].tolist()).strip() == "a dog on the beach"
    assert torch.isfinite(lm.logits(lm.embed(ids))).all()
