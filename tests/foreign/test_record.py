"""Recording another library's training, three lines each; a library that is not installed is skipped, visibly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from snellen.cli import app
from snellen.foreign.found import read_log
from snellen.record import Recorder
from snellen.second_opinion import second_opinion
from snellen.values import SnellenError


def data():
    """Training images [40, 64] with labels that are chance, validation images [60, 64]; of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    given = load_digits()
    x, y = (given.data / 16).astype(np.float32), given.target.astype(np.int64)
    return x[:40], np.random.default_rng(0).integers(0, 10, 40), x[40:100], y[40:100]


def net():
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def loaders():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x, y, vx, vy = map(torch.from_numpy, data())
    return DataLoader(TensorDataset(x, y), 20, shuffle=False), DataLoader(TensorDataset(vx, vy), 60)


def train(folder: Path, lr: float = 1e-2, epochs: int = 30, **settings) -> Recorder:
    """The plain loop of the guide."""
    import torch
    from torch.nn.functional import cross_entropy

    model, (training, validation) = net(), loaders()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    record = Recorder(folder, model=model, optimizer=optimizer, classes=10, **settings)
    for _ in range(epochs):
        for x, y in training:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            record.step(loss, n=len(x))
            optimizer.step()
        with torch.no_grad():
            x, y = next(iter(validation))
            output = model(x)
        record.epoch(
            val_loss=float(cross_entropy(output, y)), val_accuracy=float((output.argmax(1) == y).float().mean())
        )
    return record


def rules(folder: Path) -> set[str]:
    return {item["rule"] for item in second_opinion(folder)["findings"] if item["looked"]}


def test_a_plain_loop_is_recorded_and_diagnosed(tmp_path: Path) -> None:
    train(tmp_path / "recording", every=1)
    reading = read_log(tmp_path / "recording")
    assert (reading.epochs, reading.classes, reading.nats, reading.framework) == (30, 10, True, "pytorch")
    assert set(reading.columns) == {"train", "val", "val_accuracy", "lr", "norm"}
    gradient = next(item for item in reading.signals if item["meter"] == "gradient")
    assert set(gradient["groups"]) == {"0", "2"}
    whole = gradient["total"]["mean"] ** 2 + gradient["total"]["variance"]
    parts = [spread["mean"] ** 2 + spread["variance"] for spread in gradient["groups"].values()]
    assert whole == pytest.approx(sum(parts), rel=1e-4)
    assert "overfitting" in rules(tmp_path / "recording")
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path / "recording"), "--json"])
    assert json.loads(done.stdout)["log"]["format"] == "Snellen recording"


def test_recording_does_not_change_training(tmp_path: Path) -> None:
    import torch

    with_record = train(tmp_path / "a", every=1).model
    without = train(tmp_path / "b", every=10**6).model
    for one, other in zip(with_record.parameters(), without.parameters(), strict=True):
        assert torch.equal(one, other)


def test_divergence_and_nan_are_recorded(tmp_path: Path) -> None:
    train(tmp_path / "far", lr=1e4, epochs=6)
    assert rules(tmp_path / "far") & {"diverging", "rate_too_high"}
    record = Recorder(tmp_path / "nan")
    for value in (1.0, float("nan"), 1.0):
        record.step(value)
        record.epoch()
    found = {item["rule"]: item for item in second_opinion(tmp_path / "nan")["findings"]}
    assert found["nonfinite"]["evidence"]["epoch"] == 2
    assert "went on" in found["nonfinite"]["message"]


def test_a_recording_is_not_written_over_and_can_go_on(tmp_path: Path) -> None:
    train(tmp_path / "r", epochs=3)
    with pytest.raises(SnellenError, match="holds a recording"):
        train(tmp_path / "r", epochs=1)
    train(tmp_path / "r", epochs=2, resume=True)
    assert read_log(tmp_path / "r").epochs == 5


def test_a_recording_without_an_epoch(tmp_path: Path) -> None:
    Recorder(tmp_path / "r").step(1.0)
    with pytest.raises(SnellenError, match="ended before its first"):
        read_log(tmp_path / "r")


def test_a_library_that_is_missing_is_named(tmp_path: Path) -> None:
    from snellen.record._library import library

    with pytest.raises(SnellenError, match="pip install no_such_library"):
        library("no_such_library.part")


def test_lightning(tmp_path: Path) -> None:
    L = pytest.importorskip("lightning")
    import torch
    from torch.nn.functional import cross_entropy

    from snellen.record import lightning

    class Module(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def training_step(self, batch, index):
            return cross_entropy(self.net(batch[0]), batch[1])

        def validation_step(self, batch, index):
            output = self.net(batch[0])
            self.log("val_loss", cross_entropy(output, batch[1]))
            self.log("val_acc", (output.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    trainer = L.Trainer(
        max_epochs=20, callbacks=[lightning.callback(tmp_path / "r", classes=10)], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Module(), *loaders())
    reading = read_log(tmp_path / "r")
    assert reading.epochs == 20
    assert set(reading.columns) == {"train", "val", "val_accuracy", "lr", "norm"}
    assert "overfitting" in rules(tmp_path / "r")


def test_transformers(tmp_path: Path) -> None:
    hf = pytest.importorskip("transformers")
    import torch
    from torch.nn.functional import cross_entropy

    from snellen.record import transformers

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net()

        def forward(self, x, labels):
            output = self.net(x)
            return {"loss": cross_entropy(output, labels), "logits": output}

    x, y, vx, vy = data()
    settings = hf.TrainingArguments(
        str(tmp_path / "out"), num_train_epochs=20, per_device_train_batch_size=20, eval_strategy="epoch", logging_steps=1,
        save_strategy="no", use_cpu=True, report_to=[], disable_tqdm=True, learning_rate=1e-2,
    )  # fmt: skip
    hf.Trainer(
        Model(), settings, callbacks=[transformers.callback(tmp_path / "r", classes=10)],
        train_dataset=[{"x": a, "labels": int(b)} for a, b in zip(x, y, strict=True)],
        eval_dataset=[{"x": a, "labels": int(b)} for a, b in zip(vx, vy, strict=True)],
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
    ).train()  # fmt: skip
    reading = read_log(tmp_path / "r")
    assert reading.epochs == 20
    assert set(reading.columns) == {"train", "val", "val_accuracy", "lr", "norm"}
    assert "overfitting" in rules(tmp_path / "r")


def test_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "torch")
    k = pytest.importorskip("keras")
    from snellen.record import keras

    x, y, vx, vy = data()
    model = k.Sequential([k.Input((64,)), k.layers.Dense(128, "relu"), k.layers.Dense(10)])
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(k.optimizers.AdamW(1e-2), loss, metrics=["accuracy"], jit_compile=False)
    model.fit(x, y, 20, 20, 0, validation_data=(vx, vy), callbacks=[keras.callback(tmp_path / "r", classes=10)])
    reading = read_log(tmp_path / "r")
    assert reading.epochs == 20
    assert set(reading.columns) == {"train", "val", "train_accuracy", "val_accuracy", "lr"}
    assert "overfitting" in rules(tmp_path / "r")


def test_fastai(tmp_path: Path) -> None:
    pytest.importorskip("fastai")
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy

    from snellen.record import fastai

    cbs = fastai.callback(tmp_path / "r", classes=10, every=1)
    learn = Learner(DataLoaders(*loaders()), net(), loss_func=CrossEntropyLossFlat(), metrics=accuracy, cbs=cbs)
    with learn.no_logging():
        learn.fit(15, 1e-2)
        learn.fit(5, 1e-2)
    reading = read_log(tmp_path / "r")
    assert reading.epochs == 20
    assert set(reading.columns) == {"train", "val", "val_accuracy", "lr", "norm"}
    assert "overfitting" in rules(tmp_path / "r")


def test_ultralytics(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    from PIL import Image
    from ultralytics import YOLO

    from snellen.record import ultralytics

    x, y, vx, vy = data()
    for split, images, labels in (("train", x, y), ("val", vx, vy)):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            place = tmp_path / "data" / split / f"d{label}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image.reshape(8, 8) * 255).astype(np.uint8)).resize((32, 32)).convert("RGB").save(
                place / f"{number}.png"
            )
    model = YOLO("yolov8n-cls.yaml")
    ultralytics.attach(model, tmp_path / "r", classes=10)
    model.train(
        data=str(tmp_path / "data"), epochs=3, imgsz=32, batch=20, plots=False, workers=0, project=str(tmp_path), device="cpu",
        amp=False, verbose=False,
    )  # fmt: skip
    reading = read_log(tmp_path / "r")
    assert reading.epochs == 3
    assert {"train", "val", "val_accuracy", "lr"} <= set(reading.columns)
    assert reading.nats
