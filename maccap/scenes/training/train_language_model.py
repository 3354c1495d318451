"""Train the built-in language model, a tiny OPT, from nothing on the world's captions and questions.

A frozen language model can be steered by a prefix only as far as it learned to use what comes before a
caption or a question. So it reads documents rather than captions: the five captions of one scene in a row,
tag lists followed by the caption they were taken from, and questions with their answers after a complete
caption or its tags. No document is about an image: this is plain text.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.config import QUESTION
from maccap.runtime.half_products import half_products
from maccap.scenes.training.block_training import BlockTraining
from maccap.scenes.training.progress import ProgressReport
from maccap.scenes.world.captions import complete_caption, scene_captions, tags
from maccap.scenes.world.lexicon import RELATIONS
from maccap.scenes.world.questions import scene_questions
from maccap.scenes.world.scene import Scene, sample_scene

VOCABULARY = 640
_EOS = "</s>"


def train_tokenizer(seed: int = 0, captions: int = 20_000) -> PreTrainedTokenizerFast:
    """A byte-level BPE whose merges come from the world's captions and questions; any other text still has
    tokens.

    A relation is one token. As words, left and right stand alike after "to the", and in 8,000 steps this
    language model did not learn to say which of them it had read; above and below, one token each, it did.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", _EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rng = np.random.default_rng(seed)
    scenes = (sample_scene(rng, "train") for _ in range(captions // 5))
    tokenizer.train_from_iterator(
        (text for scene in scenes for text in [*scene_captions(scene, rng), *_answered(scene, rng)]), trainer
    )
    tokenizer.add_tokens([AddedToken(f" {relation}", normalized=False) for relation in RELATIONS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_EOS,
        eos_token=_EOS,
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
    )


def documents(rng: np.random.Generator) -> Iterator[list[str]]:
    """Endless documents: five captions of one scene, (tags, caption) pairs, or questions and answers, as a
    rule after what they are about.
    """
    while True:
        scene, draw = sample_scene(rng, "train"), rng.random()
        if draw < _CAPTIONS_ALONE:
            yield scene_captions(scene, rng)
        elif draw < _CAPTIONS_ALONE + _TAGS_FIRST:
            caption = scene_captions(scene, rng, 1)[0]
            yield [tags(caption, rng), caption]
        else:
            told = complete_caption(scene, rng)
            told = told if rng.random() < 0.5 else tags(told, rng)
            yield [told] * (rng.random() < _TOLD) + _answered(scene, rng)


_CAPTIONS_ALONE, _TAGS_FIRST = 0.2, 0.4
_TOLD = 0.9  # of the questions, those that what is asked about comes before


def _answered(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Questions in the words that a captioner is asked with, each with its answer."""
    return [
        f"{QUESTION.format(question=asked.question)} {asked.answer}" for asked in scene_questions(scene, rng)
    ]


def train_language_model(
    folder: Path,
    steps: int,
    *,
    width: int = 192,
    layers: int = 4,
    batch: int = 64,
    length: int = 96,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> None:
    """Train on `steps` batches of `batch` rows of `length` tokens; model and tokenizer go into `folder`."""
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(seed)
    end = tokenizer.eos_token_id
    model = OPTForCausalLM(
        OPTConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            word_embed_proj_dim=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 32,
            ffn_dim=4 * width,
            max_position_embeddings=128,
            dropout=0.0,
            attention_dropout=0.0,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    rng = np.random.default_rng([1, seed])
    stream = documents(rng)
    training = BlockTraining(dict(model.named_parameters()), steps, learning_rate)
    report = ProgressReport("language model", steps)
    for step in range(steps):
        rows = torch.tensor([_row(stream, tokenizer, length + 1) for _ in range(batch)])
        with half_products(torch.device("cpu")):
            logits = model(input_ids=rows[:, :-1]).logits
        loss = F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        training.step(loss)
        report(step, loss=loss.item())
        if (step + 1) % 1000 == 0 or step + 1 == steps:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)


def _row(stream: Iterator[list[str]], tokenizer: PreTrainedTokenizerFast, length: int) -> list[int]:
    """Whole documents until the row is full, so that each row begins where a document does."""
    ids: list[int] = []
    while len(ids) < length:
        for text in tokenizer(next(stream), add_special_tokens=False)["input_ids"]:
            ids += [*text, tokenizer.eos_token_id]
    return ids[:length]
