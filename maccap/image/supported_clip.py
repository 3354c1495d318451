"""Which CLIPs can be read, by their config alone: a refusal comes before weights are downloaded.

The method reads every token of a ViT projected as its CLS token is, and the last block's attention from CLS.
So the tower must be open_clip's own VisionTransformer, pooled at CLS, with ordinary blocks.
"""

from collections.abc import Mapping
from typing import Any

COCA, ATTENTIONAL_POOLING = "a CoCa tower", "a ViT with attentional pooling"
CUSTOM_BLOCKS = "a ViT with custom attention blocks"
_SET_OF_CUSTOM_BLOCKS = (
    "qk_norm",
    "scaled_cosine_attn",
    "scale_heads",
    "scale_attn_inner",
    "scale_attn",
    "scale_fc",
)


def check_supported(name: str, config: Mapping[str, Any], pretrained: str | None = None) -> None:
    """Raises ValueError for open_clip's `model_cfg` of a tower that is not supported, and for weights of its
    table that were trained with another activation than the name's: open_clip only warns of these.
    """
    if found := unsupported_tower(config):
        raise unsupported(name, found)
    if pretrained is not None:
        _check_activation(name.replace("/", "-"), config, pretrained)


def unsupported_tower(config: Mapping[str, Any]) -> str | None:
    """What the visual tower of a `model_cfg` is, in words, where it is none that can be read."""
    vision = config.get("vision_cfg")
    if vision is None:  # open_clip 4 has models of sounds
        return "no image tower of its own"
    if config.get("genlip_cfg"):
        return "a GenLIP tower"
    if config.get("multimodal_cfg"):
        return COCA
    if vision.get("timm_model_name"):
        return "a timm tower"
    if isinstance(vision.get("layers", 12), list | tuple):
        return "a ModifiedResNet tower"
    if vision.get("attentional_pool"):
        return ATTENTIONAL_POOLING
    if (pooling := vision.get("pool_type", "tok")) != "tok":
        return f"a ViT with {pooling!r} pooling"
    block = vision.get("block_type") or (
        "custom" if any(map(vision.get, _SET_OF_CUSTOM_BLOCKS)) else "default"
    )
    return CUSTOM_BLOCKS if block == "custom" else None


def unsupported(name: str, found: str) -> ValueError:
    return ValueError(
        f"CLIP {name!r} has {found}. MacCap reads projected tokens and CLS attention, so it takes "
        "open_clip's own VisionTransformer pooled at its CLS token: ViT-B-32, ViT-B-16, ViT-L-14 or the like"
    )


def _check_activation(name: str, config: Mapping[str, Any], pretrained: str) -> None:
    import open_clip

    weights = open_clip.get_pretrained_cfg(name, pretrained)
    if not weights:  # a file, of which nothing tells
        return
    trained, computed = (bool(side.get("quick_gelu", False)) for side in (weights, config))
    if trained == computed:
        return
    for other in open_clip.list_models():
        offers = pretrained in open_clip.list_pretrained_tags_by_model(other)
        if offers and _is_twin(open_clip.get_model_config(other), config):
            kinds = {True: "QuickGELU", False: "GELU"}
            raise ValueError(
                f"CLIP {name!r} computes {kinds[computed]}, and its weights {pretrained!r} were trained with "
                f"{kinds[trained]}; name it {other}"
            )


def _is_twin(other: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether it is the same model with the other activation."""

    def rest(of: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in of.items() if key != "quick_gelu"}

    return rest(other) == rest(config) and bool(other.get("quick_gelu")) != bool(config.get("quick_gelu"))
