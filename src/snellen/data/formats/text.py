"""Text of annotation files: bytes that are not UTF-8 are kept visible, a broken file is said with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# Enough of a file to see its kind by.
HEAD = 65536


class Unreadable(Exception):
    """An annotation file that is of no use; the text says where it breaks."""


def head(file: Path) -> bytes:
    """The first 64 KiB; nothing where the file cannot be opened or is no plain file (a pipe would block)."""
    try:
        if not file.is_file():
            return b""
        with file.open("rb") as stream:
            return stream.read(HEAD)
    except OSError:
        return b""


def content(file: Path) -> bytes:
    """All bytes; raises Unreadable."""
    try:
        if not file.is_file():
            raise Unreadable("it is no plain file")
        return file.read_bytes()
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None


def decoded(data: bytes) -> str:
    """Text; bytes that are not UTF-8 become lone surrogates, which `notes.plain_text` shows as \\xNN."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def is_utf8(text: str) -> bool:
    """Whether a decoded text holds no such bytes."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text) if not text.isascii() else True


def lines_of(file: Path) -> list[str]:
    """Lines of a text file; raises Unreadable."""
    return decoded(content(file)).splitlines()


def json_of(file: Path) -> Any:
    """What a JSON file holds; raises Unreadable with line, column and place of what breaks it. NaN is a number here."""
    try:
        return json.loads(decoded(content(file)))
    except json.JSONDecodeError as error:
        raise Unreadable(f"{error.msg} at line {error.lineno}, column {error.colno} (character {error.pos})") from None
    except (RecursionError, ValueError) as error:
        raise Unreadable(str(error) or "it is nested too deeply") from None
