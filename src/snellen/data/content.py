"""What a file is: the hash of its bytes, and the sample id made from it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from snellen.data.decode import file_verdict

ID_LENGTH = 16
# Starts the content of a file whose bytes could not be read (then it stands for the path); no digit of a hash.
UNREAD = "x"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def contents(files: Sequence[Path]) -> list[tuple[str, str]]:
    """(content hash, verdict) of every file; what cannot be read has a hash of its path and a verdict other than ok."""
    with ThreadPoolExecutor(cores()) as pool:
        return list(pool.map(_content, files, chunksize=1))


def sample_ids(hashes: Sequence[str]) -> list[str]:
    """Ids in row order: the first of some content gets 16 digits of its hash, later ones `~1`, `~2`, … behind them."""
    seen: Counter[str] = Counter()
    ids = []
    for value in hashes:
        short = value[:ID_LENGTH]
        ids.append(f"{short}~{seen[short]}" if seen[short] else short)
        seen[short] += 1
    return ids


def _content(file: Path) -> tuple[str, str]:
    verdict = file_verdict(file)
    if verdict in ("ok", "empty file"):
        try:
            with file.open("rb") as stream:
                return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest(), verdict
        except OSError:
            verdict = "unreadable"
    return UNREAD + hashlib.blake2b(_encoded(str(file)), digest_size=16).hexdigest(), verdict


def _encoded(name: str) -> bytes:
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogatepass")
