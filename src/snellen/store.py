"""The only writer of the house: whole files appear at once or not at all, and journals survive a torn end."""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from snellen.values import SnellenError, thaw

# Where a page of a mapped file is read, Linux maps some of what lies around it, within a table of its pages: so many bytes.
AROUND = 2 * 1024**2


def write_bytes(path: Path, data: bytes) -> None:
    """Write temp → checksum → fsync → rename → fsync folder: after a crash the old file or the new one is there, whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temp.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if hashlib.blake2b(temp.read_bytes()).digest() != hashlib.blake2b(data).digest():
            raise OSError(f"{temp} does not read back as it was written; the disk may be full or failing")
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_array(path: Path, shape: tuple[int, ...], dtype: Any, chunks: Iterable[Any]) -> None:
    """Write a .npy file from consecutive parts of it, so that no more than one is in memory; whole or not at all.

    Raises SnellenError where the parts do not add up to `shape`.
    """
    import numpy as np

    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        with temp.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            written = sum(file.write(np.ascontiguousarray(part, dtype=dtype).data) for part in chunks)
            if written != expected:
                raise SnellenError(f"{path}: got {written} bytes for an array {shape}, expected {expected}")
            file.flush()
            os.fsync(file.fileno())
        temp.replace(path)
    finally:
        temp.unlink(missing_ok=True)
    _sync_folder(path.parent)


def rows(array: Any, places: Any) -> Any:
    """Copies of these rows of an array; `places` [b] whole numbers from 0 on. Where it is memory-mapped their pages are let go:
    the system keeps them as long as there is room, but they no longer count as this process's own, however long it reads."""
    found = array[places]
    mapped = getattr(array, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        _let_go(mapped, array, places)
    return found


def _let_go(mapped: Any, array: Any, places: Any) -> None:
    """Row by row, so that it costs what was read and not what the file holds."""
    import numpy as np

    begin = np.frombuffer(mapped, dtype=np.uint8).ctypes.data
    end = begin + len(mapped)
    for place in places.tolist():
        first = array.ctypes.data + place * array.strides[0]
        last = first + array.strides[0]
        # These tables begin at a multiple of their size in memory, not in the file.
        start = max(first - first % AROUND, begin)
        mapped.madvise(mmap.MADV_DONTNEED, start - begin, min(last + -last % AROUND, end) - start)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text."""
    write_bytes(path, text.encode("utf-8"))


def plain(value: Any) -> Any:
    """`value` as strict JSON holds it: tuples as lists, a non-finite float as the string 'nan', 'inf' or '-inf'."""
    value = thaw(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def write_json(path: Path, value: Any) -> None:
    """Write strict, sorted, indented JSON."""
    write_text(path, json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; raises SnellenError naming the file where it is missing or not JSON."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SnellenError(f"{path} is missing") from None
    except ValueError as error:
        raise SnellenError(f"{path} is not JSON: {error}") from None


def write_table(path: Path, table: Any) -> None:
    """Write an Arrow table as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write_bytes(path, sink.getvalue().to_pybytes())


def read_table(path: Path) -> Any:
    """Read a Parquet file as an Arrow table."""
    import pyarrow.parquet as pq

    if not Path(path).is_file():
        raise SnellenError(f"{path} is missing")
    return pq.read_table(path)


def write_tensors(path: Path, tensors: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write tensors as safetensors, with `about` (JSON) and a checksum of every tensor in the header."""
    from safetensors.torch import save

    flat = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    sums = {key: _tensor_sum(tensor) for key, tensor in flat.items()}
    header = {"about": json.dumps(plain(about), sort_keys=True), "crc32": json.dumps(sums, sort_keys=True)}
    write_bytes(path, save(flat, metadata=header))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and `about`; raises SnellenError where the file is missing or a checksum does not hold."""
    if not Path(path).is_file():
        raise SnellenError(f"{path} is missing")
    seen = _stamp(path)
    try:
        return _tensors(path)
    except SnellenError:
        # The library opens the file twice, for the header and for the numbers: one that is replaced meanwhile is read again.
        if _stamp(path) == seen:
            raise
    return read_tensors(path)


def _stamp(path: Path) -> tuple[int, int]:
    about = Path(path).stat()
    return about.st_ino, about.st_mtime_ns


def _tensors(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise SnellenError(f"{path} is not a whole safetensors file: {error}") from None
    for key, expected in json.loads(header.get("crc32", "{}")).items():
        if _tensor_sum(tensors[key]) != expected:
            raise SnellenError(f"{path}: tensor {key!r} is damaged (checksum differs); use an earlier checkpoint")
    return tensors, json.loads(header.get("about", "{}"))


def _tensor_sum(tensor: Any) -> int:
    import torch

    # Bytes, because NumPy has no bfloat16; clone, because a 0-d view cannot change its element size.
    return zlib.crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())


class Journal:
    """An append-only JSONL file. Each record carries its length and CRC, so that a torn end is seen and left out."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    def append(self, *records: Mapping[str, Any]) -> None:
        """Append records durably, in order; they share one wait for the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._trim()
        with self.path.open("ab") as file:
            file.write(b"".join(map(_line, records)))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """All whole records in order; raises SnellenError where a record before the last is damaged."""
        return [record for record, _ in self._scan()]

    def rewind(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Rewrite the journal with the records that `keep` accepts."""
        if self.path.exists():
            write_bytes(self.path, b"".join(_line(record) for record in self.read() if keep(record)))

    def _scan(self) -> Iterator[tuple[dict[str, Any], int]]:
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        lines = data.split(b"\n")
        end = 0
        for number, line in enumerate(lines[:-1], start=1):
            end += len(line) + 1
            record = _parse(line)
            if record is None:
                if number == len(lines) - 1:
                    return
                raise SnellenError(f"{self.path}: record {number} is damaged")
            yield record, end

    def _trim(self) -> None:
        # A crash can leave half a record at the end; a new one must not be glued to it.
        if not self.path.exists() or self.path.stat().st_size == 0:
            return
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            whole = file.read() == b"\n"
        if not whole:
            end = max((end for _, end in self._scan()), default=0)
            with self.path.open("r+b") as file:
                file.truncate(end)


def _line(record: Mapping[str, Any]) -> bytes:
    body = json.dumps(
        plain({k: v for k, v in record.items() if k not in ("crc", "length")}), ensure_ascii=False, allow_nan=False
    )
    raw = body.encode("utf-8")
    tail = f'"length": {len(raw)}, "crc": {zlib.crc32(raw)}}}\n'.encode()
    return raw[:-1] + (b", " if len(raw) > 2 else b"") + tail


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        length, crc = record.pop("length"), record.pop("crc")
    except (ValueError, KeyError, AttributeError):
        return None
    raw = line[: length - 1] + b"}"
    return record if len(raw) == length and zlib.crc32(raw) == crc else None
