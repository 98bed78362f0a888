from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from snellen.ship.gradcam import heat, overlays, target_layer
from snellen.values import SnellenError

pytest.importorskip("pytorch_grad_cam")

FAMILIES = {
    "tf_efficientnet_lite0": {},
    "resnet18": {},
    "mobilenetv3_small_050": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"img_size": 64},
    "deit_tiny_distilled_patch16_224": {"img_size": 64},
    "swin_tiny_patch4_window7_224": {"img_size": 64},
}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_a_map(name: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, num_classes=3, **FAMILIES[name])
    found = heat(model, torch.randn(2, 3, 64, 64), [0, 2])
    assert found.shape == (2, 64, 64)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert found.std() > 0.01, "the map is flat: no gradient reached the layer"


def test_the_map_is_where_the_evidence_is() -> None:
    class Bright(torch.nn.Module):
        """Class 1 is brightness, and the last features are the picture itself."""

        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Conv2d(3, 1, 1, bias=False)
            torch.nn.init.ones_(self.features.weight)
            self.feature_info = [{"module": "features", "num_chs": 1, "reduction": 1}]

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            score = self.features(image).mean(dim=(1, 2, 3))
            return torch.stack([-score, score], dim=1)

    image = torch.zeros(1, 3, 32, 32)
    image[:, :, 4:12, 20:28] = 1
    found = heat(Bright(), image, [1])[0]
    assert found[4:12, 20:28].mean() > 0.9
    assert found[16:, :16].max() < 0.1


def test_overlays_are_jpegs_and_the_model_stays() -> None:
    model = timm.create_model("resnet10t", pretrained=False, num_classes=2).train()
    raw = np.random.default_rng(0).integers(255, size=(3, 48, 48, 3), dtype=np.uint8)
    raw[1] = 0
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = overlays(model, torch.randn(3, 3, 48, 48), raw, [0, 1, 1])
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    for item in found:
        with Image.open(io.BytesIO(item)) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (96, 48), "RGB")
    assert overlays(model, torch.zeros(0, 3, 48, 48), raw[:0], []) == []


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    model = timm.create_model("resnet10t", pretrained=False, num_classes=2)
    raw = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(SnellenError, match="do not fit"):
        overlays(model, torch.zeros(1, 3, 32, 32), raw, [0])
    with pytest.raises(SnellenError, match="feature_info"):
        target_layer(torch.nn.Linear(2, 2))
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(SnellenError, match=r"snellen\[explain\]"):
        overlays(model, torch.zeros(2, 3, 32, 32), raw, [0, 1])
