"""TensorBoard's event files: records with length and checksum, each a protocol buffer; scalars are read, the rest passed over.

Source: tensorflow/core/lib/io/record_writer.h (framing), core/util/event.proto, core/framework/summary.proto, tensor.proto.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from snellen.foreign.columns import guess
from snellen.foreign.gather import Gather, finish
from snellen.foreign.head import Head
from snellen.foreign.lines import Trouble
from snellen.foreign.reading import Reading
from snellen.values import SnellenError

LARGEST, MOST_TAGS = 1 << 20, 4_096
Scalar = tuple[str, int, float]


def detect(head: Head) -> bool:
    """By its name, and by the length with its checksum that it begins with."""
    return ".tfevents." in head.path.name and len(head.data) >= 12 and _sound(head.data[:12])


def read(head: Head) -> Reading:
    """One file."""
    return read_files((head.path,))


def read_files(paths: Sequence[Path], sides: Sequence[str] = ()) -> Reading:
    """Files of one training, in order; `sides` is put before the tags of each (train/, validation/: as Keras writes them).

    Two passes: which tags there are and how far they go, then their values. Raises SnellenError where there is no scalar.
    """
    trouble, ends = Trouble(), dict[str, int]()
    names: Counter[str] = Counter()
    given = list(zip(paths, sides or [""] * len(paths), strict=True))
    for path, side in given:
        for tag, step, _ in scalars(path, trouble):
            name = side + tag
            if name in names or len(names) < MOST_TAGS:
                names[name] += 1
                ends[name] = max(ends.get(name, 0), step)
    roles = {tag: role for role, tag in guess(names).items() if role not in ("epoch", "step")}
    if not roles:
        raise SnellenError(f"{paths[0]} holds no scalar whose name tells of a loss or an accuracy ({len(names)} tags)")
    scale, notes = _scale(roles, names, ends)
    gather = Gather("step", trouble)
    for path, side in given:
        for tag, step, value in scalars(path, Trouble()):
            if (role := roles.get(side + tag)) is not None:
                gather.add({role: value}, (step + 1) * scale - 1 if role.startswith("val") else step)
    columns = {role: tag for tag, role in roles.items()}
    return finish(gather, path=paths[0], format="TensorBoard events", framework="", columns=columns, notes=notes)


def _scale(roles: dict[str, str], names: Counter[str], ends: dict[str, int]) -> tuple[float, tuple[str, ...]]:
    """Where validation is counted by epochs and training by steps: how many steps an epoch has."""
    notes = ("tags were guessed from their names",)
    trained = [tag for tag, role in roles.items() if role == "train"]
    validated = [tag for tag, role in roles.items() if role == "val" or role == "val_accuracy"]
    if not trained or not validated:
        return 1.0, notes
    train, val = trained[0], validated[0]
    dense = ends[val] + 1 <= names[val] * 1.5
    if dense and ends[train] > 2 * ends[val] + 2:
        scale = (ends[train] + 1) / (ends[val] + 1)
        return scale, (
            *notes,
            f"{val!r} is counted by epochs and {train!r} by steps: {scale:.0f} steps were taken for an epoch",
        )
    return 1.0, notes


def scalars(path: Path, trouble: Trouble) -> Iterator[Scalar]:
    """Tag, step and value of every scalar of a file, in order."""
    for record in records(path, trouble):
        try:
            yield from _of_event(record)
        except (ValueError, struct.error, IndexError):
            trouble("records that are no events were left out")


def records(path: Path, trouble: Trouble) -> Iterator[bytes]:
    """The records of a file as far as their lengths are sound; those above 1 MB (images, graphs) are stepped over."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while header := file.read(12):
            if len(header) < 12 or not _sound(header):
                trouble("reading stopped at a torn or damaged record")
                return
            (length,) = struct.unpack("<Q", header[:8])
            if file.tell() + length + 4 > size:
                trouble("the last record is cut off: what stands before it was read")
                return
            if length > LARGEST:
                file.seek(length + 4, 1)
                continue
            yield file.read(length + 4)[:length]


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return tuple(found)


CRC = _table()


def _sound(header: bytes) -> bool:
    """Whether the checksum of the length holds (CRC-32C, rotated and shifted)."""
    crc = 0xFFFFFFFF
    for byte in header[:8]:
        crc = CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    masked = (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
    return masked == int.from_bytes(header[8:12], "little")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """Number, kind and content of each field of a protocol buffer."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, kind, value
            continue
        if kind == 2:
            length, place = _varint(data, place)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if place + length > len(data):
            raise ValueError("a field that is longer than its record")
        yield number, kind, data[place : place + length]
        place += length


def _of_event(record: bytes) -> Iterator[Scalar]:
    step, summary = 0, b""
    for number, _, content in _fields(record):
        if number == 2 and isinstance(content, int):
            step = content
        elif number == 5 and isinstance(content, bytes):
            summary = content
    if step >= 1 << 62:
        raise ValueError("a negative step")
    for number, _, content in _fields(summary):
        if number == 1 and isinstance(content, bytes):
            tag, value = _value(content)
            if tag and value is not None:
                yield tag, step, value


def _value(data: bytes) -> tuple[str, float | None]:
    tag, value = "", None
    for number, _, content in _fields(data):
        if number == 1 and isinstance(content, bytes):
            tag = content.decode("utf-8", "replace")
        elif number == 2 and isinstance(content, bytes):
            value = float(struct.unpack("<f", content)[0])
        elif number == 8 and isinstance(content, bytes):
            value = _tensor(content)
    return tag, value


def _tensor(data: bytes) -> float | None:
    """A tensor of one float, as TensorFlow 2 writes scalars; None for any other."""
    kind, raw = 0, b""
    for number, wire, content in _fields(data):
        if number == 1 and isinstance(content, int):
            kind = content
        elif (number == 4 or (number in (5, 6) and wire in (1, 2, 5))) and isinstance(content, bytes):
            raw = content
    formats = {1: ("<f", 4), 2: ("<d", 8)}
    if kind not in formats or len(raw) != formats[kind][1]:
        return None
    return float(struct.unpack(formats[kind][0], raw)[0])
