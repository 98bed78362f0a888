"""How the logs beside this file were made: real trainings, by the real libraries, on scikit-learn's digits (8×8 pixels).

    python make_logs.py lightning logs/      (in an environment that has the library; also: transformers, keras, fastai, timm,
                                              ultralytics, mmengine, tensorboard)

Each is made twice. `over`: 80 training images, a third of them with a wrong label, until they are known by heart.
`diverging`: a learning rate a thousand times too high. Versions: lightning 2.6.6, transformers 5.23.0, keras 3.15.1 on torch,
fastai 2.8.12, timm 1.0.31, ultralytics 8.4.190, mmengine-lite 0.10.7, tensorboardX 2.6.5, torch 2.14.1.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

KINDS = ("over", "diverging")
EPOCHS = {"over": 40, "diverging": 12}


def digits():
    """Training images [80, 64], labels with a third wrong; validation images [400, 64], labels; all float32, int64."""
    from sklearn.datasets import load_digits

    given = load_digits()
    order = np.random.default_rng(0).permutation(len(given.target))
    x, y = (given.data / 16).astype(np.float32)[order], given.target.astype(np.int64)[order]
    train = y[:80].copy()
    train[:27] = (train[:27] + 3) % 10
    return x[:80], train, x[80:480], y[80:480]


def net():
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10)
    )


def optimizer(model, kind):
    import torch

    if kind == "over":
        return torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-4)
    return torch.optim.SGD(model.parameters(), lr=20.0)


def loaders():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    x, y, vx, vy = map(torch.from_numpy, digits())
    return DataLoader(TensorDataset(x, y), 16, shuffle=True), DataLoader(TensorDataset(vx, vy), 100)


def lightning(kind, out):
    import lightning as L
    import torch
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger
    from torch.nn.functional import cross_entropy

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net()

        def training_step(self, batch, index):
            loss = cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch, index):
            output = self.net(batch[0])
            self.log("val_loss", cross_entropy(output, batch[1]))
            self.log("val_acc", (output.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self):
            return optimizer(self.net, kind)

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_epochs=EPOCHS[kind], logger=CSVLogger(folder), accelerator="cpu", enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False, log_every_n_steps=1, num_sanity_val_steps=0,
            callbacks=[LearningRateMonitor()],
        )  # fmt: skip
        trainer.fit(Module(), *loaders())
        shutil.copy(Path(folder) / "lightning_logs/version_0/metrics.csv", out / "metrics.csv")


def transformers(kind, out):
    import torch
    from torch.nn.functional import cross_entropy
    from transformers import Trainer, TrainingArguments

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net()

        def forward(self, x, labels):
            output = self.net(x)
            return {"loss": cross_entropy(output, labels), "logits": output}

    x, y, vx, vy = digits()
    train = [{"x": a, "labels": int(b)} for a, b in zip(x, y, strict=True)]
    val = [{"x": a, "labels": int(b)} for a, b in zip(vx, vy, strict=True)]
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, num_train_epochs=EPOCHS[kind], per_device_train_batch_size=16, eval_strategy="epoch", logging_steps=2,
            save_strategy="no", use_cpu=True, report_to=[], disable_tqdm=True, logging_nan_inf_filter=False, seed=0,
            max_grad_norm=1.0 if kind == "over" else 0.0, lr_scheduler_type="constant",
        )  # fmt: skip
        trainer = Trainer(
            model, settings, train_dataset=train, eval_dataset=val, optimizers=(optimizer(model, kind), None),
            compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
        )  # fmt: skip
        trainer.train()
        trainer.save_state()
        shutil.copy(Path(folder) / "trainer_state.json", out / "trainer_state.json")


def keras(kind, out):
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    k.utils.set_random_seed(0)
    x, y, vx, vy = digits()
    layers = [k.layers.Dense(256, "relu"), k.layers.Dense(256, "relu"), k.layers.Dense(10)]
    model = k.Sequential([k.Input((64,)), *layers])
    chosen = k.optimizers.AdamW(2e-3) if kind == "over" else k.optimizers.SGD(20.0)
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(chosen, loss, metrics=["accuracy"], jit_compile=False)
    log = k.callbacks.CSVLogger(str(out / "keras.csv"))
    history = model.fit(
        x,
        y,
        16,
        EPOCHS[kind],
        0,
        validation_data=(vx, vy),
        callbacks=[log, k.callbacks.LearningRateScheduler(lambda _, lr: lr)],
    )
    (out / "history.json").write_text(json.dumps(history.history, default=float))


def fastai(kind, out):
    import torch
    from fastai.callback.progress import CSVLogger
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.metrics import accuracy
    from fastai.optimizer import SGD, Adam

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        learn = Learner(
            DataLoaders(*loaders()), net(), loss_func=CrossEntropyLossFlat(), metrics=accuracy, path=folder,
            opt_func=Adam if kind == "over" else SGD, cbs=CSVLogger(),
        )  # fmt: skip
        with learn.no_bar():
            learn.fit(EPOCHS[kind], 2e-3 if kind == "over" else 20.0)
        shutil.copy(Path(folder) / "history.csv", out / "history.csv")


def epochs(kind):
    """A plain loop: epoch, step, training loss, validation loss, accuracy (per cent), rate."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.manual_seed(0)
    model, (train, val) = net(), loaders()
    chosen, step = optimizer(model, kind), 0
    for epoch in range(EPOCHS[kind]):
        losses = []
        for x, y in train:
            loss = cross_entropy(model(x), y)
            chosen.zero_grad()
            loss.backward()
            chosen.step()
            losses.append(loss.item())
            step += 1
        with torch.no_grad():
            seen = [
                (cross_entropy(model(x), y).item(), (model(x).argmax(1) == y).float().mean().item()) for x, y in val
            ]
        yield (
            epoch,
            step,
            losses,
            float(np.mean([s[0] for s in seen])),
            100 * float(np.mean([s[1] for s in seen])),
            chosen,
        )


def timm(kind, out):
    from timm.utils import update_summary

    (out / "summary.csv").unlink(missing_ok=True)
    for epoch, _, losses, val, top1, chosen in epochs(kind):
        metrics = {"loss": val, "top1": top1, "top5": 99.0}
        update_summary(
            epoch, {"loss": float(np.mean(losses))}, metrics, out / "summary.csv", lr=chosen.param_groups[0]["lr"]
        )


def tensorboard(kind, out):
    from tensorboardX import SummaryWriter

    for old in out.glob("*tfevents*"):
        old.unlink()
    with SummaryWriter(str(out)) as writer:
        for epoch, step, losses, val, top1, chosen in epochs(kind):
            for place, value in enumerate(losses):
                writer.add_scalar("loss/train", value, step - len(losses) + place)
            writer.add_scalar("loss/val", val, epoch)
            writer.add_scalar("accuracy/val", top1 / 100, epoch)
            writer.add_scalar("lr", chosen.param_groups[0]["lr"], step)
            if epoch == 0:
                writer.add_histogram("head", np.arange(30.0), epoch)
    next(out.glob("*tfevents*")).rename(out / "events.out.tfevents.1700000000.machine")


def mmengine(kind, out):
    import torch
    from mmengine.evaluator import BaseMetric
    from mmengine.model import BaseModel
    from mmengine.runner import Runner
    from torch.nn.functional import cross_entropy

    class Model(BaseModel):
        def __init__(self):
            super().__init__()
            self.net = net()

        def forward(self, x, y, mode):
            output = self.net(x)
            return {"loss": cross_entropy(output, y)} if mode == "loss" else (output, y)

    class Accuracy(BaseMetric):
        def process(self, data_batch, data_samples):
            output, y = data_samples
            self.results.append(
                ((output.argmax(1) == y).sum().item(), cross_entropy(output, y, reduction="sum").item(), len(y))
            )

        def compute_metrics(self, results):
            n = sum(item[2] for item in results)
            return {
                "accuracy": 100 * sum(item[0] for item in results) / n,
                "loss": sum(item[1] for item in results) / n,
            }

    x, y, vx, vy = map(torch.from_numpy, digits())
    model = Model()
    train = {"dataset": torch.utils.data.TensorDataset(x, y), "batch_size": 16, "sampler": {"type": "DefaultSampler", "shuffle": True}, "collate_fn": {"type": "default_collate"}}  # fmt: skip
    val = {"dataset": torch.utils.data.TensorDataset(vx, vy), "batch_size": 100, "sampler": {"type": "DefaultSampler", "shuffle": False}, "collate_fn": {"type": "default_collate"}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Runner(
            model, folder, train_dataloader=train, val_dataloader=val, val_evaluator=[Accuracy()], val_cfg={},
            train_cfg={"by_epoch": True, "max_epochs": EPOCHS[kind]}, optim_wrapper={"optimizer": optimizer(model, kind)},
            default_hooks={"logger": {"type": "LoggerHook", "interval": 5}, "checkpoint": {"type": "CheckpointHook", "interval": 1000}},
            randomness={"seed": 0}, log_level="ERROR",
        ).train()  # fmt: skip
        shutil.copy(next(Path(folder).rglob("scalars.json")), out / "scalars.json")


def ultralytics(kind, out):
    import torch
    from PIL import Image
    from ultralytics import YOLO

    x, y, vx, vy = digits()
    with tempfile.TemporaryDirectory() as folder:
        for split, images, labels in (("train", x, y), ("val", vx[:100], vy[:100])):
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                place = Path(folder) / "data" / split / f"d{label}"
                place.mkdir(parents=True, exist_ok=True)
                grey = Image.fromarray((image.reshape(8, 8) * 255).astype(np.uint8)).convert("RGB")
                grey.resize((32, 32)).save(place / f"{number}.png")
        torch.set_num_threads(1)
        settings = {"optimizer": "AdamW", "lr0": 3e-3} if kind == "over" else {"optimizer": "AdamW", "lr0": 1.0}
        YOLO("yolov8n-cls.yaml").train(
            data=f"{folder}/data", epochs=EPOCHS[kind] // 2 if kind == "over" else 6, imgsz=32, batch=16, plots=False, workers=0,
            project=folder, name="run", device="cpu", amp=False, auto_augment="", erasing=0.0, fliplr=0.0, scale=0.0, hsv_v=0.0,
            hsv_s=0.0, hsv_h=0.0, warmup_epochs=0.0, verbose=False, **settings,
        )  # fmt: skip
        shutil.copy(next(Path(folder).rglob("results.csv")), out / "results.csv")


if __name__ == "__main__":
    name, root = sys.argv[1], Path(sys.argv[2])
    for kind in KINDS:
        place = root / kind / name
        place.mkdir(parents=True, exist_ok=True)
        globals()[name](kind, place)
