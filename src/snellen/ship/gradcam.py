"""Grad-CAM: where a classifier looked (Selvaraju et al., ICCV 2017), by the grad-cam library, for any timm model."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from snellen.values import SnellenError

QUALITY = 88
# A pass that is kept for going back through holds a tenth of a gigabyte for each image of 256 px.
BATCH = 4


def overlays(
    model: torch.nn.Module, images: torch.Tensor, raw: np.ndarray, classes_index: Sequence[int]
) -> list[bytes]:
    """One JPEG per image: the picture on the left, what spoke for the class on the right.

    `images` are normalised, float32 [n, 3, s, s]; `raw` the same pictures, uint8 RGB [n, s, s, 3]; `classes_index` [n]
    the class to ask about. The model is not changed. Raises SnellenError where the grad-cam library is missing, the
    model's layers are not known, or the shapes do not fit.
    """
    if len(images) != len(raw) or len(images) != len(classes_index) or raw.dtype != np.uint8 or raw.shape[-1:] != (3,):
        raise SnellenError(
            f"images {list(images.shape)}, raw {raw.dtype} {list(raw.shape)} and {len(classes_index)} classes "
            "do not fit; expected [n, 3, s, s], uint8 [n, s, s, 3] and n classes"
        )
    maps = heat(model, images, classes_index)
    return [_picture(photo, map_) for photo, map_ in zip(raw, maps, strict=True)]


def heat(model: torch.nn.Module, images: torch.Tensor, classes_index: Sequence[int]) -> np.ndarray:
    """Maps float32 [n, s, s] in 0..1 of what raises the score of each image's class in the last feature layer."""
    grad_cam, target = _library()
    # A copy, for the library puts the model in eval mode, hangs hooks on it and leaves gradients behind.
    model = copy.deepcopy(model).cpu().float().eval().requires_grad_(False)
    found = []
    with (
        torch.enable_grad(),
        grad_cam(model, [target_layer(model)], reshape_transform=_to_channels_first(model)) as cam,
    ):
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            # The parameters are frozen; gradients reach the layer only if the input asks for them.
            pixels = images[rows].detach().cpu().float().clone().requires_grad_(True)
            found.append(cam(pixels, [target(int(index)) for index in classes_index[rows]]))
    if not found:
        return np.zeros((0, *images.shape[-2:]), dtype=np.float32)
    maps: np.ndarray = np.nan_to_num(np.concatenate(found)).astype(np.float32)
    return maps


def target_layer(model: torch.nn.Module) -> torch.nn.Module:
    """The layer whose map is drawn: timm's last feature module; the first norm of the last block for token models.

    Behind the last block of a model that classifies by its class token the other tokens have no gradient left; ahead of
    its attention they have (so the library's own advice for vision transformers).
    """
    module = model.get_submodule(_last(model)["module"])
    norm = getattr(module, "norm1", None)
    return norm if _has_tokens(model) and isinstance(norm, torch.nn.Module) else module


def _last(model: torch.nn.Module) -> dict[str, Any]:
    info = getattr(model, "feature_info", None)
    if not info:
        raise SnellenError(
            f"{type(model).__name__} does not name its feature layers (timm's feature_info); Grad-CAM needs them"
        )
    return dict(info[-1])


def _has_tokens(model: torch.nn.Module) -> bool:
    return hasattr(model, "num_prefix_tokens") and hasattr(model, "patch_embed")


def _to_channels_first(model: torch.nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function that brings the layer's output to [n, channels, height, width]."""
    prefix = int(getattr(model, "num_prefix_tokens", 0) or 0)
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    channels_last = getattr(model, "output_fmt", "NCHW") == "NHWC"

    def transform(output: torch.Tensor) -> torch.Tensor:
        if output.ndim == 3:
            tokens = output[:, prefix:]
            side = round(tokens.shape[1] ** 0.5)
            height, width = grid if grid and grid[0] * grid[1] == tokens.shape[1] else (side, side)
            return tokens.reshape(len(tokens), height, width, -1).permute(0, 3, 1, 2)
        return output.permute(0, 3, 1, 2) if channels_last else output

    return transform


def _library() -> tuple[Any, Any]:
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ModuleNotFoundError as error:
        raise SnellenError(f"Grad-CAM needs the grad-cam library ({error}); pip install 'snellen[explain]'") from None
    return GradCAM, ClassifierOutputTarget


def _picture(photo: np.ndarray, map_: np.ndarray) -> bytes:
    from pytorch_grad_cam.utils.image import show_cam_on_image

    size = (photo.shape[1], photo.shape[0])
    resized = np.asarray(Image.fromarray(map_).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)
    heated = show_cam_on_image(np.float32(photo) / 255, resized, use_rgb=True)
    sink = io.BytesIO()
    Image.fromarray(np.concatenate([photo, heated], axis=1)).save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()
