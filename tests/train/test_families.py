"""A small member of every family (SPEC M1): it trains one step in each stage, is cut at its boundary, exports, and is looked
into by Grad-CAM. Weights are noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.shelf import TASKS
from snellen.ship.export import to_onnx
from snellen.train import stages
from snellen.train.boundary import tail_of
from snellen.train.loop import train
from snellen.train.machine import Setting

# Family -> member and the side of the images, in pixels.
MEMBERS = {
    "MobileNetV2": ("mobilenetv2_050", 32),
    "MobileNetV3": ("mobilenetv3_small_050", 32),
    "EfficientNet-Lite": ("tf_efficientnet_lite0", 32),
    "EfficientNet": ("efficientnet_b0", 32),
    "EfficientNetV2": ("tf_efficientnetv2_b0", 32),
    "ResNet, basic blocks": ("resnet18", 32),
    "ResNet, bottlenecks": ("resnet50", 32),
    "ViT": ("vit_tiny_patch16_224", 32),
    "Swin": ("swin_tiny_patch4_window7_224", 64),
    "ConvNeXt": ("convnext_atto", 32),
}
STAGES = [{"name": name, "unfreeze": name, "epochs": 1} for name in ("head", "last", "all")]
CLASSES = tiny.CLASSES


@pytest.fixture(scope="module")
def material() -> tuple[Catalog, Pixels]:
    return tiny.material(train=6, val=3)


@pytest.mark.parametrize("family", MEMBERS)
def test_it_trains_in_stages_and_is_cut(family: str, material: tuple[Catalog, Pixels], tmp_path: Path) -> None:
    name, side = MEMBERS[family]
    recipe = tiny.recipe(
        {"model.name": name, "data.size": side, "data.eval_size": side, "train.views": 1, "train.gap_samples": 3}
        | {"stages": STAGES, "optim.lr": 1e-2, "augment.mixup": 0.0, "augment.parts": []}
    )
    start = TASKS.pick("classification")().model
    run = train(recipe, *material, tmp_path / "run", setting=Setting(), cache=tmp_path / "cache")
    assert run.done
    assert (run.cost["steps"], run.cost["stopped"]) == (3, "")
    assert [record["stage"] for record in run.signals("loss")] == ["head", "last", "all"]
    moved = [set(record["groups"]) for record in run.signals("gradient")]
    assert moved == [{"head"}, {"stage3", "stage4", "head"}, {"stage1", "stage2", "stage3", "stage4", "head"}]
    torch.manual_seed(0)
    model = start(recipe, CLASSES).eval()
    images = torch.randn(3, 3, side, side)
    tail = tail_of(model, "last", images[:1])
    assert tail is not None, "it cannot be cut at the frozen boundary"
    with torch.no_grad():
        assert torch.allclose(tail(tail.beginning(images)), model(images), atol=1e-4)
    assert len(stages.boundaries(model)) == 3


@pytest.mark.parametrize("family", MEMBERS)
def test_it_is_looked_into(family: str) -> None:
    pytest.importorskip("pytorch_grad_cam")
    from snellen.ship.gradcam import heat

    model, side = _model(family, 64)
    found = heat(model, torch.randn(2, 3, side, side), [0, 2])
    assert found.shape == (2, side, side)
    assert np.isfinite(found).all()
    assert found.std() > 0.01, "the map is flat: no gradient reached the layer"


@pytest.mark.parametrize("family", MEMBERS)
def test_it_exports(family: str, tmp_path: Path) -> None:
    import onnxruntime

    model, side = _model(family, MEMBERS[family][1])
    path = to_onnx(
        model, size=side, classes=CLASSES, mean=(0.5,) * 3, std=(0.5,) * 3, path=tmp_path / "model.onnx", about={}
    )
    images = np.random.default_rng(0).random((3, 3, side, side), dtype=np.float32)
    (told,) = onnxruntime.InferenceSession(path).run(None, {"image": images})
    with torch.no_grad():
        own = torch.softmax(model((torch.from_numpy(images) - 0.5) / 0.5), dim=1).numpy()
    assert np.abs(told - own).max() < 1e-4


def _model(family: str, side: int) -> tuple[torch.nn.Module, int]:
    name, _ = MEMBERS[family]
    torch.manual_seed(0)
    from snellen.shelf import MODELS

    settings = {"name": name, "classes": 3, "weights": "none", "sizes": (side,)}
    return MODELS.build("timm_model", settings).eval(), side
