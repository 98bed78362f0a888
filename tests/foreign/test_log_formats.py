"""Formats that no library here writes, shapes of the common ones, and how columns are guessed."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from snellen.foreign.columns import guess
from snellen.foreign.found import read_log
from snellen.foreign.reading import Reading
from snellen.second_opinion import second_opinion
from snellen.values import SnellenError

PADDLEX = """2021-05-01 10:00:00 [INFO]\tStart
2021-05-01 10:00:01 [INFO]\t[TRAIN] Epoch=1/2, Step=2/4, loss=2.0, acc1=0.25, lr=0.01, time_each_step=0.2s, eta=0:0:5
2021-05-01 10:00:02 [INFO]\t[TRAIN] Epoch=1/2, Step=4/4, loss=1.0, acc1=0.35, lr=0.01, time_each_step=0.2s, eta=0:0:5
2021-05-01 10:00:03 [INFO]\t[EVAL] Finished, Epoch=1, acc1=0.5, loss=1.5
2021-05-01 10:00:04 [INFO]\t[TRAIN] Epoch=2/2, Step=4/4, loss=0.5, acc1=0.75, lr=0.001, time_each_step=0.2s, eta=0:0:5
2021-05-01 10:00:05 [INFO]\t[EVAL] Finished, Epoch=2, acc1=0.6, loss=1.25
"""
PADDLECLAS = """[2024/07/31 20:24:32] ppcls INFO: [Train][Epoch 1/2][Iter: 0/3]lr(PiecewiseDecay): 0.00100000, top1: 0.5, CELoss: 2.0, loss: 2.0, batch_cost: 0.6s
[2024/07/31 20:24:33] ppcls INFO: [Eval][Epoch 1][Avg]CELoss: 1.5, loss: 1.5, top1: 0.4, top5: 1.0
[2024/07/31 20:24:34] ppcls INFO: [Train][Epoch 2/2][Iter: 0/3]lr(PiecewiseDecay): 0.00010000, top1: 0.7, CELoss: 1.0, loss: 1.0, batch_cost: 0.6s
[2024/07/31 20:24:35] ppcls INFO: [Eval][Epoch 2][Avg]CELoss: 1.25, loss: 1.25, top1: 0.6, top5: 1.0
"""
MMCV = "\n".join(
    json.dumps(item)
    for item in (
        {"env_info": "x", "seed": 0},
        {"mode": "train", "epoch": 1, "iter": 10, "lr": 0.01, "loss": 2.0, "grad_norm": 1.5},
        {"mode": "val", "epoch": 1, "iter": 10, "lr": 0.01, "accuracy_top-1": 40.0},
        {"mode": "train", "epoch": 2, "iter": 10, "lr": 0.01, "loss": 1.0, "grad_norm": 1.0},
        {"mode": "val", "epoch": 2, "iter": 10, "lr": 0.01, "accuracy_top-1": 60.0},
    )
)


def losses(reading: Reading) -> list[dict[str, float]]:
    return [dict(item) for item in reading.signals if item["meter"] == "loss"]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [PADDLEX, PADDLECLAS])
def test_paddle_prints(tmp_path: Path, text: str) -> None:
    reading = read_log(written(tmp_path, "train.log", text))
    assert reading.framework == "paddle"
    first, second = losses(reading)
    assert (first["val"], second["val"], second["val_accuracy"]) == (1.5, 1.25, 0.6)
    assert first["train"] == (1.5 if text is PADDLEX else 2.0)
    rates = [item["lr"] for item in reading.signals if item["meter"] == "rate"]
    assert rates[0] > rates[1]


def test_mmcv_lines(tmp_path: Path) -> None:
    reading = read_log(written(tmp_path, "20200101.log.json", MMCV))
    assert [item["train"] for item in losses(reading)] == [2.0, 1.0]
    assert [item["val_accuracy"] for item in losses(reading)] == [0.4, 0.6]
    assert {item["meter"] for item in reading.signals} == {"loss", "rate", "gradient"}


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _record(step: int, tag: str, value: float) -> bytes:
    """An event as TensorFlow 2 writes it: the number in a tensor."""
    from snellen.foreign import tensorboard

    tensor = _varint(1 << 3) + _varint(1) + _field(4, struct.pack("<f", value))
    summary = _field(1, _field(1, tag.encode()) + _field(8, tensor))
    event = _varint(2 << 3) + _varint(step) + _field(5, summary)
    header = struct.pack("<Q", len(event))
    crc = 0xFFFFFFFF
    for byte in header:
        crc = tensorboard.CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return header + struct.pack("<I", masked) + event + b"\0\0\0\0"


def test_keras_writes_training_and_validation_into_two_folders_of_events(tmp_path: Path) -> None:
    for side, first in (("train", 2.0), ("validation", 2.5)):
        (tmp_path / side).mkdir()
        data = b"".join(_record(step, "epoch_loss", first / (step + 1)) for step in range(5))
        (tmp_path / side / "events.out.tfevents.1.host.1.0.v2").write_bytes(data)
    found = losses(read_log(tmp_path))
    assert [round(item["train"], 4) for item in found] == [2.0, 1.0, 0.6667, 0.5, 0.4]
    assert [round(item["val"], 4) for item in found] == [2.5, 1.25, 0.8333, 0.625, 0.5]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("epoch,loss,val_loss", {"epoch": "epoch", "train": "loss", "val": "val_loss"}),
        ("Epoch,trainLoss,validLoss,valAcc,learningRate", {"epoch": "Epoch", "train": "trainLoss", "val": "validLoss", "val_accuracy": "valAcc", "lr": "learningRate"}),
        ("轮次,训练损失,验证损失,验证准确率,学习率", {"epoch": "轮次", "train": "训练损失", "val": "验证损失", "val_accuracy": "验证准确率", "lr": "学习率"}),
        ("step,train_loss_step,train_loss_epoch,grad_norm", {"step": "step", "train": "train_loss_epoch", "norm": "grad_norm"}),
        ("acc,val_acc,loss,loss_cls,val_loss", {"train_accuracy": "acc", "val_accuracy": "val_acc", "train": "loss", "val": "val_loss"}),
        ("time,user,price", {}),
    ],
)  # fmt: skip
def test_columns_are_guessed(names: str, expected: dict[str, str]) -> None:
    assert guess(names.split(",")) == expected


def test_a_table_without_epoch_and_step_is_taken_row_by_row(tmp_path: Path) -> None:
    reading = read_log(written(tmp_path, "log.csv", "train loss;val loss\n1,5;1,6\n1,0;1,2\n"))
    assert [item["train"] for item in losses(reading)] == [1.5, 1.0]
    assert any("each row is taken as one" in note for note in reading.notes)


def test_checkpoints_of_one_training_are_one_log(tmp_path: Path) -> None:
    for number, count in ((500, 2), (1000, 4)):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        history = [{"loss": 2.0 / (i + 1), "step": 10 * i, "epoch": float(i)} for i in range(count)]
        (folder / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    assert read_log(tmp_path).rows == 4


def test_a_training_that_was_begun_again_counts_once(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n0,2.0,2.1\n1,1.0,1.1\n0,1.9,2.0\n1,0.9,1.0\n"
    reading = read_log(written(tmp_path, "log.csv", text))
    assert [item["train"] for item in losses(reading)] == [1.9, 0.9]
    assert any("more than once" in note for note in reading.notes)


def test_a_loss_that_may_be_anything_is_not_judged_in_nats(tmp_path: Path) -> None:
    rows = "".join(f"{i},{9 - 0.5 * i},{9.5 - 0.4 * i + (0.5 * (i - 4) if i > 4 else 0)}\n" for i in range(14))
    opinion = second_opinion(written(tmp_path, "log.csv", "epoch,train_loss,val_loss\n" + rows))
    blind = {item["rule"]: item["evidence"]["needs"] for item in opinion["findings"] if not item["looked"]}
    assert blind["overfitting"] == "a loss that is known to be a cross-entropy"
    assert "past_best" not in blind


@pytest.mark.parametrize("classes", [1, 0, -3, 10**9])
def test_a_number_of_classes_that_is_none(tmp_path: Path, classes: int) -> None:
    with pytest.raises(SnellenError, match="expected 2 or more"):
        second_opinion(written(tmp_path, "log.csv", "epoch,loss\n0,1\n"), classes=classes)


def test_a_test_is_no_validation_where_there_is_one() -> None:
    found = guess(["epoch", "step", "train_loss", "val_loss", "test_loss", "val_acc", "test_acc"])
    assert (found["val"], found["val_accuracy"]) == ("val_loss", "val_acc")
    assert guess(["test_loss"])["val"] == "test_loss"


def test_iterations_of_mmengine_are_divided_by_validations(tmp_path: Path) -> None:
    lines = []
    for turn in range(3):
        for step in (100 * turn + 50, 100 * turn + 100):
            lines.append({"lr": 0.01, "loss": 3.0 - step / 100, "iter": step, "memory": 1, "step": step})
        lines.append({"mIoU": 0.2, "aAcc": 50.0 + turn, "step": 100 * turn + 100})
    reading = read_log(written(tmp_path, "scalars.json", "\n".join(map(json.dumps, lines))))
    train = [item["train"] for item in losses(reading)]
    assert len(train) == 3
    assert train == sorted(train, reverse=True)


def test_accuracies_are_told_alike(tmp_path: Path) -> None:
    rows = ["epoch,train_loss,train_acc,val_loss,val_acc", *(f"{n},1.0,{40 + 10 * n},4.6,1.0" for n in range(1, 5))]
    reading = read_log(written(tmp_path, "log.csv", "\n".join(rows)))
    assert {item["val_accuracy"] for item in losses(reading)} == {0.01}
