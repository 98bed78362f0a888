"""Logs that are torn, empty, in disorder, full of NaN, endless or made to do harm: a clear error, or as much as there is."""

from __future__ import annotations

import gzip
import json
import math
import random
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from snellen.cli import app
from snellen.foreign.found import read_log
from snellen.second_opinion import second_opinion
from snellen.values import SnellenError

LOGS = Path(__file__).parent / "logs"
ALL = sorted(path for path in LOGS.glob("*/*/*") if path.is_file())
TABLE = "epoch,loss,accuracy,val_loss,val_accuracy\n"


def written(folder: Path, data: str | bytes, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def asked(path: Path) -> tuple[dict[str, Any], str]:
    """The opinion, or the words of the refusal."""
    try:
        return second_opinion(path), ""
    except SnellenError as error:
        return {}, str(error)


def rows(count: int = 12) -> list[str]:
    return [f"{i},{2 / (i + 1):.4f},{1 - 0.5 / (i + 1):.4f},{1 + 1 / (i + 1):.4f},0.5\n" for i in range(count)]


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.suffix}")
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_torn_log_is_read_in_part_or_refused(tmp_path: Path, path: Path, share: float) -> None:
    data = path.read_bytes()
    torn = written(tmp_path, data[: int(len(data) * share)], path.name)
    opinion, refused = asked(torn)
    if refused:
        assert str(torn) in refused
        assert share < 0.7 or path.name == "history.json"
    else:
        assert 0 < opinion["log"]["epochs"] <= 40


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.suffix}")
def test_damaged_bytes_never_end_in_a_crash(tmp_path: Path, path: Path) -> None:
    random_ = random.Random(path.name)
    for number in range(12):
        data = bytearray(path.read_bytes())
        for _ in range(1 + number * 4):
            data[random_.randrange(len(data))] = random_.randrange(256)
        damaged = written(tmp_path, bytes(data), path.name)
        _, refused = asked(damaged)
        assert not refused or str(damaged) in refused


def test_a_number_that_was_cut_in_two_does_not_count(tmp_path: Path) -> None:
    opinion = second_opinion(written(tmp_path, TABLE + "".join(rows()) + "12,0.5"))
    assert opinion["log"]["epochs"] == 12
    opinion = second_opinion(written(tmp_path, TABLE + "".join(rows())[:-4]))
    assert opinion["log"]["epochs"] == 11
    assert any("no line end" in note for note in opinion["log"]["notes"])


def test_rows_in_any_order_are_one_training(tmp_path: Path) -> None:
    given = rows(30)
    ordered = read_log(written(tmp_path, TABLE + "".join(given)))
    random.Random(0).shuffle(given)
    shuffled = read_log(written(tmp_path, TABLE + "".join(given)))
    assert shuffled.signals == ordered.signals
    assert any("put in order" in note for note in shuffled.notes)


@pytest.mark.parametrize("word", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_a_loss_that_is_no_number_any_more(tmp_path: Path, word: str) -> None:
    given = rows(6)
    given[3:] = [f"{i},{word},0.1,{word},0.1\n" for i in range(3, 6)]
    found = {item["rule"]: item for item in second_opinion(written(tmp_path, TABLE + "".join(given)))["findings"]}
    assert found["nonfinite"]["severity"] == "block"
    assert found["nonfinite"]["evidence"]["epoch"] == 4
    assert "the training went on all the same" in found["nonfinite"]["message"]


def test_nothing_but_nan(tmp_path: Path) -> None:
    opinion = second_opinion(written(tmp_path, TABLE + "".join(f"{i},nan,nan,nan,nan\n" for i in range(5))))
    found = {item["rule"]: item for item in opinion["findings"]}
    assert found["nonfinite"]["looked"]
    assert not found["overfitting"]["looked"]
    json.dumps(opinion, allow_nan=False, default=str)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b" \n\n ", "is empty"),
        (b"\x00\x01\x02" * 999, "no log of a training is recognised"),
        (gzip.compress(b"epoch,loss\n0,1\n" * 99), "no log of a training is recognised"),
        ("epoch,loss\n0,1\n".encode("utf-16"), "no log of a training is recognised"),
        (b"just some words\nin a file\n", "no log of a training is recognised"),
        (b"1,2,3\n4,5,6\n", "no log of a training is recognised"),
        (b"a,b,c\n1,2,3\n", "holds no loss and no accuracy"),
        (b"epoch,loss\n", "holds no loss and no accuracy in 0 rows"),
        (b"epoch,loss\nx,y\n", "holds no loss and no accuracy"),
        (b"epoch,loss\n" + b"1" * 2_000_000, "longer than 1,000,000 bytes"),
        (b'{"log_history": [{"loss":', "holds no loss"),
        (b'{"log_history": 7}', "no log of a training is recognised"),
        (b'{"loss": [1, 2', "not whole JSON"),
        (b'{"loss": [' + b"[" * 50_000, "not whole JSON"),
    ],
    ids=[f"{number}" for number in range(15)],
)
def test_what_is_no_log_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    path = written(tmp_path, data)
    with pytest.raises(SnellenError) as caught:
        second_opinion(path)
    assert says in str(caught.value)
    done = CliRunner().invoke(app, ["diagnose", str(path)])
    assert (done.exit_code, done.stdout) == (2, "")


def test_an_empty_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path)])
    assert done.exit_code == 2
    assert "holds no log of a training" in " ".join(done.stderr.split())


def test_a_cell_that_opens_a_quote_ends_the_reading_and_not_the_program(tmp_path: Path) -> None:
    given = rows(9)
    given[5] = '5,"0.1,0.2,0.3\n'
    opinion = second_opinion(written(tmp_path, TABLE + "".join(given) + "x" * 200_000 + "\n"))
    assert opinion["log"]["epochs"] >= 4
    assert any("reading stopped" in note for note in opinion["log"]["notes"])


def test_formulas_and_markup_in_a_table_are_words(tmp_path: Path) -> None:
    name = '=HYPERLINK("http://evil")<script>alert(1)</script>\x1b[31m loss'
    text = f'epoch,"{name.replace(chr(34), chr(34) * 2)}",val_loss\n' + "".join(
        f"{i},{2 / (i + 1)},=1+1\n" for i in range(9)
    )
    path = written(tmp_path, text)
    done = CliRunner().invoke(app, ["diagnose", str(path)])
    assert done.exit_code == 0, done.output
    assert "\x1b[31m loss" not in done.stdout
    opinion = second_opinion(path)
    assert "val" not in opinion["log"]["columns"]
    assert any("are no numbers" in note for note in opinion["log"]["notes"])


@pytest.mark.parametrize("epoch", ["1e300", "-5", "nan", "1e11", "0.5"])
def test_an_epoch_that_cannot_be(tmp_path: Path, epoch: str) -> None:
    opinion = second_opinion(written(tmp_path, TABLE + "".join(rows(8)) + f"{epoch},0.5,0.5,0.5,0.5\n"))
    assert 1 <= opinion["log"]["epochs"] <= 9


def test_a_very_long_log_is_thinned_out_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    with path.open("w") as file:
        file.write("step,train_loss,val_loss\n")
        file.writelines(f"{i},{1 + 1 / (1 + i)},\n" for i in range(60_000))
    tracemalloc.start()
    reading = read_log(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reading.rows == 60_000
    assert reading.epochs <= 64
    # 2,048 groups of a few numbers, and a line: not the log of 1.5 MB.
    assert peak < 4_000_000
    mean = sum(item["train"] for item in reading.signals if item["meter"] == "loss") / reading.epochs
    assert math.isclose(mean, 1.0, abs_tol=0.01)


def test_many_epochs_are_averaged_in_a_row(tmp_path: Path) -> None:
    reading = read_log(written(tmp_path, "epoch,loss\n" + "".join(f"{i},1\n" for i in range(5_000))))
    assert 1_024 <= reading.epochs <= 2_048
    assert any("averaged into one" in note for note in reading.notes)


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "loop").symlink_to(tmp_path, target_is_directory=True)
    written(tmp_path / "runs", TABLE + "".join(rows()))
    assert read_log(tmp_path / "runs").epochs == 12
