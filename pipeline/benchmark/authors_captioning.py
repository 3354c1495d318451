"""Captioning the baseline, as the authors' evaluation does it, to measure ours against.

Images come in batches of 16. For each of K candidates the batch is encoded by CLIP again, gets new noise,
goes through the adaptor and into Hugging Face's `generate`, with 4 beams or with sampling; CLIP then scores
the candidates, each padded to its whole context. What is not the scheme is ours and as fast as ours:
decoding of files, attention asked of CLIP's last block alone.
"""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig

from maccap.adaptor.noise import add_noise
from maccap.bundle import Bundle
from maccap.image.as_seen import as_seen
from maccap.image.preprocessing import resize_and_crop
from maccap.text.language_model import FrozenLanguageModel

BATCH, BEAMS = 16, 4


class AuthorsCaptioning:
    """A bundle's captioner, image files in and candidates out."""

    def __init__(
        self,
        bundle: Bundle,
        device: str,
        dtype: torch.dtype,
        *,
        search: Literal["beams", "sampling"],
        candidates: int,
        max_new_tokens: int,
    ) -> None:
        self.extract = bundle.load_features(device, dtype)
        self.adaptor = bundle.load_adaptor(device).eval()
        self.noise_variance = bundle.config.noise_variance
        # as it comes: what `load_sampler` does to a language model to make it faster is not the scheme
        self.lm = FrozenLanguageModel.load(bundle.tower(bundle.config.llm.name), device, dtype)
        self.candidates = candidates
        beams = {"num_beams": BEAMS, "do_sample": False}
        sampling = {"num_beams": 1, "do_sample": True, "top_k": 0}
        self._generation = GenerationConfig(
            max_new_tokens=max_new_tokens,
            eos_token_id=self.lm.eos_ids,
            pad_token_id=self.lm.padding_id,
            **(beams if search == "beams" else sampling),
        )

    @torch.no_grad()
    def __call__(self, files: Sequence[bytes]) -> tuple[list[str], list[list[str]]]:
        """The caption of each image, and the K candidates it was chosen from."""
        captions: list[str] = []
        candidates: list[list[str]] = []
        for start in range(0, len(files), BATCH):
            pixels = torch.from_numpy(np.stack([self._pixels(file) for file in files[start : start + BATCH]]))
            drawn, scores = zip(*(self._candidate(pixels) for _ in range(self.candidates)), strict=True)
            best = torch.stack(scores).argmax(dim=0).tolist()
            captions += [drawn[winner][row] for row, winner in enumerate(best)]
            candidates += map(list, zip(*drawn, strict=True))
        return captions, candidates

    def _candidate(self, pixels: Tensor) -> tuple[list[str], Tensor]:
        """One text for each image, and their cosines."""
        clip, lm = self.extract.clip, self.lm
        global_, features = self.extract(pixels)
        noisy = add_noise(features, torch.randn_like(features), self.noise_variance)
        prefix = self.adaptor(noisy).to(lm.dtype)
        prompt = lm.embed(torch.tensor(lm.prompt_ids())).expand(len(prefix), -1, -1)
        embeddings = torch.cat([prefix, prompt], dim=1)
        mask = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
        ids = lm.model.generate(
            inputs_embeds=embeddings, attention_mask=mask, generation_config=self._generation
        )
        texts = [lm.text(row) for row in ids.tolist()]
        features = clip.model.encode_text(clip.tokenize(texts).to(clip.device))
        return texts, (F.normalize(features.float(), dim=-1) * global_).sum(dim=-1)

    def _pixels(self, file: bytes) -> np.ndarray:
        with Image.open(io.BytesIO(file)) as image:
            return resize_and_crop(as_seen(image), self.extract.clip.pixels)
