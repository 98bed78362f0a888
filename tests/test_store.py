"""The store: whole files or none, journals that survive a torn end, words for what JSON has no numbers for."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from snellen import store
from snellen.values import SnellenError, freeze


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    store.write_json(path, {"x": 1})
    monkeypatch.setattr(Path, "replace", _fails)
    with pytest.raises(OSError, match="no room"):
        store.write_json(path, {"x": 2})
    assert store.read_json(path) == {"x": 1}
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]


def _fails(self: Path, target: Path) -> None:
    raise OSError("no room")


def test_json_is_strict_and_sorted(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    store.write_json(path, freeze({"b": [math.nan, math.inf, -math.inf], "a": {"π": (1, 2.5)}}))
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": {"π": [1, 2.5]}, "b": ["nan", "inf", "-inf"]}
    assert path.read_text(encoding="utf-8").index('"a"') < path.read_text(encoding="utf-8").index('"b"')


def test_reading_says_which_file(tmp_path: Path) -> None:
    with pytest.raises(SnellenError, match=r"gone\.json is missing"):
        store.read_json(tmp_path / "gone.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(SnellenError, match=r"bad\.json is not JSON"):
        store.read_json(tmp_path / "bad.json")
    with pytest.raises(SnellenError, match=r"gone\.parquet is missing"):
        store.read_table(tmp_path / "gone.parquet")


def test_a_journal_gives_back_what_was_appended(tmp_path: Path) -> None:
    journal = store.Journal(tmp_path / "j.jsonl")
    assert journal.read() == []
    records = [{"name": "line\nbreak", "value": 1.5}, {"name": "图像", "deep": {"a": [1, 2]}}, {}]
    for record in records:
        journal.append(record)
    assert journal.read() == records


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_torn_end_is_left_out_and_written_over(tmp_path: Path, cut: int) -> None:
    journal = store.Journal(tmp_path / "j.jsonl")
    journal.append({"n": 1})
    journal.append({"n": 2})
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    assert journal.read() == [{"n": 1}]
    journal.append({"n": 3})
    assert journal.read() == [{"n": 1}, {"n": 3}]


def test_damage_before_the_end_is_an_error(tmp_path: Path) -> None:
    journal = store.Journal(tmp_path / "j.jsonl")
    for n in (100, 200, 300):
        journal.append({"n": n})
    journal.path.write_bytes(journal.path.read_bytes().replace(b"200", b"201"))
    with pytest.raises(SnellenError, match="record 2 is damaged"):
        journal.read()


def test_rewind_keeps_what_is_asked_for(tmp_path: Path) -> None:
    journal = store.Journal(tmp_path / "j.jsonl")
    for n in range(4):
        journal.append({"step": n})
    journal.rewind(lambda record: record["step"] < 2)
    assert journal.read() == [{"step": 0}, {"step": 1}]


def test_tensors_keep_their_bits(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "a.safetensors"
    tensors = {"w": torch.tensor([1.5, math.nan]), "half": torch.ones(3, dtype=torch.bfloat16), "n": torch.tensor(7)}
    store.write_tensors(path, tensors, {"step": 3, "best": math.inf})
    back, about = store.read_tensors(path)
    assert about == {"step": 3, "best": "inf"}
    assert back["half"].dtype == torch.bfloat16
    assert back["n"].item() == 7
    assert torch.equal(back["w"].view(torch.int32), tensors["w"].view(torch.int32))


def test_a_flipped_bit_in_a_tensor_is_seen(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "a.safetensors"
    store.write_tensors(path, {"w": torch.zeros(64)}, {})
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(SnellenError, match="tensor 'w' is damaged"):
        store.read_tensors(path)
    path.write_bytes(bytes(data[:-8]))
    with pytest.raises(SnellenError, match="not a whole safetensors file"):
        store.read_tensors(path)


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="needs /proc")
def test_rows_are_copies_and_their_pages_do_not_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    whole = np.arange(256 * 4096, dtype=np.int64).reshape(256, 4096)
    np.save(path, whole)
    mapped = np.load(path, mmap_mode="r")
    assert mapped[:200].sum() == whole[:200].sum()
    assert _resident(path) > 4_000
    everything = np.random.default_rng(0).permutation(256)
    found = store.rows(mapped, everything)
    assert (found == whole[everything]).all()
    assert found.flags.writeable
    assert _resident(path) == 0
    view = mapped[10:20]
    assert (store.rows(view, np.asarray([1])) == whole[11]).all()
    assert _resident(path) == 0
    assert (store.rows(whole, np.asarray([1])) == whole[1]).all()


def _resident(path: Path) -> int:
    """Kilobytes of a mapped file that count as this process's own."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    found = 0
    for line in lines:
        if line.endswith(str(path)):
            found += next(int(item.split()[1]) for item in lines if item.startswith("Rss:"))
    return found


def test_tensors_that_are_replaced_meanwhile_are_read_whole(tmp_path: Path) -> None:
    import threading

    import torch

    path, over = tmp_path / "last.safetensors", threading.Event()
    made = [({"a": torch.full((64, 64), float(n)), "b": torch.full((n + 1,), float(n))}, {"n": n}) for n in range(3)]
    store.write_tensors(path, *made[0])

    def write() -> None:
        while not over.is_set():
            for tensors, about in made:
                store.write_tensors(path, tensors, about)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            tensors, about = store.read_tensors(path)
            assert float(tensors["a"].min()) == float(tensors["a"].max()) == about["n"]
            assert len(tensors["b"]) == about["n"] + 1
    finally:
        over.set()
        writer.join()
