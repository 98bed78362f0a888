from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch

from snellen.ship import export
from snellen.ship.bundle import ship
from snellen.ship.export import to_onnx
from snellen.values import SnellenError

MEAN, STD = (0.48, 0.45, 0.40), (0.22, 0.23, 0.21)
CLASSES = ("café", "red\nline", "x")


def images(n: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).random((n, 3, size, size), dtype=np.float32)


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return timm.create_model("resnet10t", pretrained=False, num_classes=3).train()


@pytest.fixture(scope="module")
def shipped(model: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("ship")
    about = {"recipe": "0123456789ab", "license": "weights: Apache-2.0", "seeds": [0, 1]}
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = ship(
        model, folder=folder, size=32, classes=CLASSES, mean=MEAN, std=STD, images=images(9), about=about, seconds=0.2
    )
    assert model.training, "the model's mode was changed"
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items()), "its weights were changed"
    return found


def test_artifact_has_what_the_report_reads(shipped: tuple[dict, dict]) -> None:
    artifact, eager = shipped
    assert set(artifact) == {"format", "path", "bytes", "latency_ms", "parity", "ok"}
    assert artifact["ok"] is True
    assert artifact["bytes"] == Path(artifact["path"]).stat().st_size
    assert artifact["parity"]["max_abs"] < 1e-5
    assert artifact["parity"]["agreement"] == 1
    assert artifact["parity"]["n"] == 9
    assert set(artifact["latency_ms"]) == {"median", "p95", "n", "batch"}
    assert set(eager) == {"engine", "median_ms", "p95_ms", "n"}
    assert eager["n"] >= 1
    json.dumps(shipped, allow_nan=False)


def test_metadata_and_privacy(shipped: tuple[dict, dict]) -> None:
    path = Path(shipped[0]["path"])
    proto = onnx.load(path)
    about = {item.key: item.value for item in proto.metadata_props}
    assert json.loads(about["classes"]) == list(CLASSES)
    assert about["task"] == "classification"
    assert about["recipe"] == "0123456789ab"
    assert about["license"] == "weights: Apache-2.0"
    assert json.loads(about["seeds"]) == [0, 1]
    assert "Resize to exactly 32x32" in about["preprocessing"]
    assert about["snellen_version"]
    assert str(Path(timm.__file__).parent.parent).encode() not in path.read_bytes()
    assert [item.name for item in path.parent.iterdir()] == ["model.onnx"]


def test_the_file_takes_any_batch_and_normalises_inside(model: torch.nn.Module, shipped: tuple[dict, dict]) -> None:
    import onnxruntime

    opened = onnxruntime.InferenceSession(shipped[0]["path"], providers=["CPUExecutionProvider"])
    given, mean, std = images(5), np.reshape(MEAN, (1, 3, 1, 1)), np.reshape(STD, (1, 3, 1, 1))
    plain = torch.from_numpy(((given - mean) / std).astype(np.float32))
    model.eval()
    with torch.inference_mode():
        expected = torch.softmax(model(plain), dim=1).numpy()
    model.train()
    for n in (1, 3, 5):
        (found,) = opened.run(["probabilities"], {"image": given[:n]})
        assert found.shape == (n, 3)
        assert found == pytest.approx(expected[:n], abs=1e-5)
        assert found.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-5)


def test_wrong_number_of_classes_is_refused(model: torch.nn.Module, tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="3 outputs, but 2 class names"):
        to_onnx(model, size=32, classes=["a", "b"], mean=MEAN, std=STD, path=tmp_path / "m.onnx", about={})
    assert not list(tmp_path.iterdir())


class _Untraceable(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.flatten(1)[:, : int(image.mean().item() > 5) + 2]


def test_a_model_that_cannot_be_traced_is_named(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match="_Untraceable cannot be exported"):
        to_onnx(_Untraceable(), size=16, classes=["a", "b"], mean=MEAN, std=STD, path=tmp_path / "m.onnx", about={})
    assert not list(tmp_path.iterdir())


def test_padding_is_a_number_in_the_file(tmp_path: Path) -> None:
    """Convolutions that pad by the size of the image would work it out for every image anew."""
    torch.manual_seed(0)
    model = timm.create_model("tf_mobilenetv3_small_minimal_100", num_classes=3)
    found, _ = ship(
        model,
        folder=tmp_path,
        size=33,
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        images=images(7, 33),
        about={},
        seconds=0.05,
    )
    assert found["ok"]
    kinds = {node.op_type for node in onnx.load(found["path"]).graph.node}
    assert not kinds & {"Shape", "Ceil", "Gather"}


def test_what_the_tracer_warns_of_is_exported_the_long_way(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=3, img_size=32)
    deployed = export.Deployed(model, mean=MEAN, std=STD)
    assert export._traced(deployed, torch.zeros(2, 3, 32, 32)) is None
    found, _ = ship(
        model, folder=tmp_path, size=32, classes=CLASSES, mean=MEAN, std=STD, images=images(7), about={}, seconds=0.05
    )
    assert found["ok"]
