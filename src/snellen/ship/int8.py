"""INT8: the exported file once more with weights and activations of eight bits, and what that costs and saves (SPEC V3).

Static post-training quantisation by ONNX Runtime: ranges of activations from training images, of weights by channel (Jacob et al. 2018,
arXiv:1712.05877; Nagel et al. 2021, arXiv:2106.08295, section 3). What is lost is not assumed to be little: both files answer the
validation images, and the difference is paired by image.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor

from snellen import store
from snellen.rows import Rows
from snellen.ship.change import change
from snellen.ship.latency import of_two
from snellen.ship.loaded import Loaded
from snellen.ship.session import session
from snellen.train.observe import stored
from snellen.train.source import Samples
from snellen.values import SnellenError

# Images that the ranges are taken from, so many at once.
RANGED, AT_ONCE = 128, 16
# A loss of so much (a point, of a share) is what eight bits may cost; its interval must exclude more.
MOST_LOST = 0.01
NOTHING, ONE = (0.0,) * 3, (1.0,) * 3


def int8(loaded: Loaded, path: Path, images: np.ndarray, samples: Samples, *, seconds: float = 4.0) -> dict[str, Any]:
    """Write `path` with .int8 before its suffix, and return what it is: {"format", "path", "bytes", "bytes_before", "latency_ms",
    "latency_ms_before", "metric", "before", "after", "effect", "low", "high", "n", "agreement", "most_lost", "ok"}.

    `images`: training images as the file takes them, float32 [n, 3, size, size] in 0..1; `samples` are validated on. `effect` is the
    metric's change, paired by image; `ok` where its lower bound excludes a loss of more than MOST_LOST. Raises SnellenError for
    a task whose file makes images, in which eight bits would be seen, and where the runtime cannot quantise the file.
    """
    if getattr(loaded.task, "free", False):
        raise SnellenError(
            "eight bits are for classes and masks: in restored images they would be seen as noise; ship without --int8"
        )
    out = path.with_name(f"{path.stem}.int8{path.suffix}")
    _quantised(path, out, images[:RANGED])
    before, after = (_answers(loaded, samples, file) for file in (path, out))
    metric = loaded.recipe.metric
    apart = change(loaded.task, before, after, metric)
    first, second = of_two(path, out, size=loaded.size, seconds=seconds)
    return {
        "format": "onnx int8", "path": out.name, "bytes": out.stat().st_size, "bytes_before": path.stat().st_size,
        "latency_ms": second, "latency_ms_before": first, "metric": metric,
        "before": loaded.task.score(before, metric), "after": loaded.task.score(after, metric), **apart,
        "agreement": _agreement(path, out, images), "most_lost": MOST_LOST, "ok": apart["low"] > -MOST_LOST,
    }  # fmt: skip


class _Images:
    """What ONNX Runtime asks for images, a few at once; afterwards None."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self._left = iter({name: images[start : start + AT_ONCE]} for start in range(0, len(images), AT_ONCE))

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


def _quantised(path: Path, out: Path, images: np.ndarray) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        ready, made = Path(folder) / "ready.onnx", Path(folder) / "made.onnx"
        try:
            whole = onnx.load(str(path))
            name = whole.graph.input[0].name
            quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
            quantize_static(
                str(ready), str(made), _Images(name, images), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, reduce_range=not _sums_wide(),
            )  # fmt: skip
        except Exception as error:
            # The library raises whatever its many passes raise.
            raise SnellenError(f"ONNX Runtime cannot quantise {path}: {error}") from error
        proto = onnx.load(str(made))
    # What the file is about stays in it.
    del proto.metadata_props[:]
    proto.metadata_props.extend(whole.metadata_props)
    store.write_bytes(out, proto.SerializeToString())


def _sums_wide() -> bool:
    """Whether this processor adds products of eight bits without saturation (VNNI); where it does not, weights get seven bits."""
    listed = Path("/proc/cpuinfo")
    return listed.is_file() and "vnni" in listed.read_text(encoding="utf-8", errors="replace")


def _answers(loaded: Loaded, samples: Samples, file: Path) -> Rows:
    """Stored rows of what a file says of samples."""
    opened = session(file)
    name = opened.get_inputs()[0].name

    def outputs() -> Iterator[Tensor]:
        for batch in samples.plain(loaded.size, NOTHING, ONE):
            shares = opened.run(None, {name: batch.contiguous().numpy()})[0]
            # Rows are made of logits; the logarithm of shares is as good.
            yield torch.from_numpy(np.log(np.clip(shares, 1e-7, 1.0)))

    return stored(loaded.task, samples, outputs(), loaded.size, loaded.classes)


def _agreement(first: Path, second: Path, images: np.ndarray) -> float:
    """Share of the answers (of images, or pixels) whose most probable class is the same."""
    one, other = (_top(file, images) for file in (first, second))
    return float((one == other).mean())


def _top(file: Path, images: np.ndarray) -> np.ndarray:
    opened = session(file)
    name = opened.get_inputs()[0].name
    parts = [opened.run(None, {name: images[start : start + AT_ONCE]})[0] for start in range(0, len(images), AT_ONCE)]
    return np.concatenate([part.argmax(axis=1) for part in parts])
