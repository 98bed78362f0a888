"""Counter-based random numbers: what a sample draws depends on (seed, epoch, sample, place) and on nothing else.

The generator is SplitMix64 (Steele, Lea & Flood 2014, "Fast Splittable Pseudorandom Number Generators").
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keys(ids: Sequence[str]) -> np.ndarray:
    """One 64-bit key per sample id, [n] uint64."""
    return np.asarray(
        [int.from_bytes(hashlib.blake2b(i.encode(), digest_size=8).digest()) for i in ids], dtype=np.uint64
    )


def _mix(value: np.ndarray) -> np.ndarray:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


def uniforms(seed: int, epoch: int, sample_keys: np.ndarray, count: int) -> np.ndarray:
    """[n, count] float32 in [0, 1)."""
    start = _mix(_mix(np.asarray([seed], dtype=np.uint64) + _GOLDEN) ^ np.uint64(epoch))
    row = _mix(sample_keys[:, None] ^ start)
    place = (np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)[None, :]
    # 24 bits: every float32 below 1 that they give is exact.
    return ((_mix(row + place) >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)


def seed_of(*numbers: int) -> int:
    """A 63-bit seed from small whole numbers, for generators that want one."""
    raw = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest()) >> 1
