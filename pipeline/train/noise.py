"""Region noise that varies as measured differences do: what `noise_covariance` names, and its measurement."""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from maccap.bundle_files import NOISE
from maccap.config import Config, NoiseCovarianceConfig
from pipeline.storage.errors import RunError, UserError
from pipeline.storage.folder import Folder
from pipeline.storage.redact import describe, redacted
from pipeline.storage.urls import absolute
from pipeline.texts import CaptionSet
from pipeline.train.config import TrainJobConfig
from pipeline.train.feature_cache import FeatureCache
from pipeline.train.towers import Towers

MEASURED = "noise.json"

_FEWEST = 100


class MeasuredNoise(Config):
    """`noise.json` of an analysis: what the covariance beside it was measured on, in which CLIP's space."""

    noise: NoiseCovarianceConfig
    clip_fingerprint: str


@dataclass(frozen=True)
class NoiseChoice:
    """What the noise is to vary as; `root` where that was measured before, `pairs` [n, 2] of captions where
    it is theirs. `fingerprint` tells it from others.
    """

    config: NoiseCovarianceConfig
    fingerprint: str
    root: NDArray[np.float32] | None = None
    pairs: NDArray[np.int64] | None = None

    def measured(self, cache: FeatureCache, folder: Folder) -> NDArray[np.float32]:
        """The root [D, D]. That of paraphrases is kept in the run's folder, so that a resume on another
        machine has the same. Raises RunError.
        """
        import torch

        from maccap.adaptor.noise import noise_root

        if self.pairs is None:
            assert self.root is not None
            return self.root
        try:
            if (kept := folder.read(NOISE)) is not None:
                return load(kept)["root"]
            features = cache.features()
            first, second = (features[torch.from_numpy(rows)].float() for rows in self.pairs.T)
            root = noise_root(first - second).numpy()
            folder.write(NOISE, save({"root": root}))
        except (OSError, ValueError, SafetensorError) as error:
            raise RunError(f"the noise's covariance cannot be measured: {describe(error)}") from None
        return root


def choose_noise(config: TrainJobConfig, captions: CaptionSet, towers: Towers) -> NoiseChoice | None:
    """None for noise that is the same in every direction. Raises UserError."""
    named, bundle = config.noise_covariance, towers.bundle
    if named is None:
        of_bundle = bundle.config.noise_covariance if bundle is not None else None
        if bundle is None or of_bundle is None or config.noise_variance == 0:
            return None
        kept = bundle.load_noise().root
        assert kept is not None
        root = kept.numpy()
        return NoiseChoice(of_bundle, _digest(root.tobytes()), root)
    if named == "isotropic":
        return None
    if named == "paraphrases":
        return _paraphrases(captions)
    return _of_analysis(absolute(named), towers)


def _paraphrases(captions: CaptionSet) -> NoiseChoice:
    """Of captions of the same image. Raises UserError where too few have another."""
    from maccap.adaptor.noise import paraphrase_pairs

    pairs = paraphrase_pairs(np.frombuffer(captions.images, dtype=np.uint64))
    if len(pairs) < _FEWEST:
        raise UserError(
            f"noise_covariance: paraphrases, but of {len(captions.texts):,} captions only {len(pairs):,} are "
            f"of an image that another is of; it takes {_FEWEST}. Give captions that tell their image, as "
            "COCO's do, or lists of an image's captions; or name an analysis of images and captions."
        )
    config = NoiseCovarianceConfig(of="paraphrases", differences=len(pairs))
    return NoiseChoice(config, _digest(pairs.tobytes()), pairs=pairs)


def _of_analysis(url: str, towers: Towers) -> NoiseChoice:
    """Of the pairs that `maccap analyze` compared. Raises UserError for what is no analysis of this CLIP."""
    try:
        folder = Folder(url)
        told, held = folder.read(MEASURED), folder.read(NOISE)
        if told is None or held is None:
            raise UserError(
                f"noise_covariance: {redacted(url)} holds no {MEASURED} and {NOISE}. Name the folder that "
                "`maccap analyze` wrote (with this version), `paraphrases` or `isotropic`."
            )
        measured, root = MeasuredNoise.model_validate_json(told), load(held)["root"]
    except (OSError, ValueError, ImportError, KeyError, SafetensorError) as error:
        raise UserError(f"noise_covariance: {redacted(url)} cannot be read: {describe(error)}") from None
    if measured.clip_fingerprint != towers.clip_fingerprint:
        raise UserError(
            f"noise_covariance: {redacted(url)} was measured with another CLIP than {towers.clip.name}, in "
            "whose space it says nothing. Run `maccap analyze` with this one."
        )
    if measured.noise.differences < _FEWEST:
        raise UserError(
            f"noise_covariance: {redacted(url)} compared {measured.noise.differences} pairs; it takes "
            f"{_FEWEST}"
        )
    return NoiseChoice(measured.noise, _digest(held), root)


def write_noise(folder: Folder, differences: NDArray[np.float32], clip_fingerprint: str) -> None:
    """Of images less their captions, for a training to name. Raises OSError."""
    import torch

    from maccap.adaptor.noise import noise_root

    noise = NoiseCovarianceConfig(of="pairs", differences=len(differences))
    folder.write(NOISE, save({"root": noise_root(torch.from_numpy(differences)).numpy()}))
    told = MeasuredNoise(noise=noise, clip_fingerprint=clip_fingerprint)
    folder.write(MEASURED, told.model_dump_json(indent=1).encode() + b"\n")


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()
