"""Export a model to ONNX with its normalisation and what makes an answer of its output inside: neither can be got wrong."""

from __future__ import annotations

import copy
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import onnx
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.padding import pad_same_arg
from torch.jit._trace import TracerWarning

from snellen import store
from snellen.ship.answer import CLASSES, Answer
from snellen.values import SnellenError, thaw

INPUT = "image"
# Of the tracer's file: old enough for most programs that read such files.
OPSET = 17

# One file of protocol buffers can hold no more.
LARGEST = 2**31 - 1


class Deployed(torch.nn.Module):
    """What is shipped: float32 RGB in 0..1, [n, 3, size, size] → the answer: for classes, probabilities [n, k]. It holds a
    copy of the model."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, model: torch.nn.Module, *, mean: Sequence[float], std: Sequence[float], answer: Answer = CLASSES
    ) -> None:
        super().__init__()
        self.answer = answer
        self.model = copy.deepcopy(model).cpu().float().eval()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).reshape(1, -1, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """The answer [n, …] to images [n, 3, size, size] in 0..1."""
        return self.answer.of(self.model((image - self.mean) / self.std))


def to_onnx(
    model: torch.nn.Module,
    *,
    size: int,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    path: Path,
    about: Mapping[str, Any],
    answer: Answer = CLASSES,
) -> Path:
    """Write the model as one ONNX file with a free batch dimension (and free sides, where `answer` says so); input `image`,
    output as `answer` names it.

    `model` takes normalised images and gives what `answer` makes an answer of: for classes, logits [n, k]. `about` goes into the file's metadata beside task, classes,
    preprocessing and version (keys such as recipe, license; whatever is not text is written as JSON). Raises
    SnellenError where the numbers of outputs and classes (where there are any) differ, the exporter cannot trace the model, or it exceeds
    2 GB.
    """
    deployed = Deployed(model, mean=mean, std=std, answer=answer)
    # Two images, since tracing with one would fix the batch at one; sides that differ, where both are free.
    example = torch.zeros(2, 3, size, size + 8 if answer.free else size)
    with torch.inference_mode():
        outputs = deployed(example).shape[1]
    if classes and outputs != len(classes):
        raise SnellenError(f"the model has {outputs} outputs, but {len(classes)} class names were given")
    proto = _trace(deployed, example)
    _strip(proto)
    onnx.helper.set_model_props(
        proto, metadata(size=size, classes=classes, mean=mean, std=std, about=about, answer=answer)
    )
    if proto.ByteSize() > LARGEST:
        raise SnellenError(
            f"the model takes {proto.ByteSize():,} bytes, more than the 2 GB of one ONNX file; ship a smaller model"
        )
    onnx.checker.check_model(proto, full_check=True)
    store.write_bytes(Path(path), proto.SerializeToString())
    return Path(path)


def metadata(
    *,
    size: int,
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    about: Mapping[str, Any],
    answer: Answer = CLASSES,
) -> dict[str, str]:
    """The file's metadata, all of it text, lists as JSON. Of these keys `about` may set only `task`."""
    own = {
        "classes": list(classes),
        "preprocessing": answer.preparation(size),
        "size": size,
        "normalisation": {"inside": True, "mean": list(mean), "std": list(std)},
        "snellen_version": _version(),
    }
    return {key: _text(value) for key, value in {"task": "classification", **thaw(about), **own}.items()}


def _trace(deployed: Deployed, example: torch.Tensor) -> onnx.ModelProto:
    """By torch's tracer where that will do: its exporter takes ten times as long. Parity is asked of either file."""
    # With free sides, sizes that were computed once would be written down as they came out.
    if deployed.answer.free:
        return _exported(deployed, example)
    _pad_once(deployed, example)
    traced = _traced(deployed, example)
    return _exported(deployed, example) if traced is None else traced


def _traced(deployed: Deployed, example: torch.Tensor) -> onnx.ModelProto | None:
    """None where the tracer fails or warns: a decision that depends on the image would be written down as it fell once."""
    sink = io.BytesIO()
    free = {INPUT: {0: "batch"}, deployed.answer.output: {0: "batch"}}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                deployed, (example,), sink, dynamo=False, opset_version=OPSET, dynamic_axes=free,  # type: ignore[arg-type]
                input_names=[INPUT], output_names=[deployed.answer.output],
            )  # fmt: skip
        # TypeError, ValueError: a release of torch that has no such tracer any more.
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError):
            return None
    if any(issubclass(item.category, TracerWarning) for item in told):
        return None
    return onnx.load_model_from_string(sink.getvalue())


def _pad_once(deployed: Deployed, example: torch.Tensor) -> None:
    """Convolutions that work out their padding from the size of what they are given get it as a number: the sides are fixed,
    and the file need not work it out for every image."""
    sizes: dict[str, list[int]] = {}
    found = {name: module for name, module in deployed.named_modules() if isinstance(module, Conv2dSame)}
    handles = [
        module.register_forward_pre_hook(lambda _, given, name=name: sizes.update({name: list(given[0].shape[-2:])}))
        for name, module in found.items()
    ]
    with torch.inference_mode():
        deployed(example)
    for handle in handles:
        handle.remove()
    for name, conv in found.items():
        if name in sizes:
            sides = [list(own) for own in (conv.kernel_size, conv.stride, conv.dilation)]
            left, right, top, bottom = pad_same_arg(sizes[name], *sides)
            parent, _, own = name.rpartition(".")
            setattr(
                deployed.get_submodule(parent),
                own,
                torch.nn.Sequential(torch.nn.ZeroPad2d((left, right, top, bottom)), _fixed(conv)),
            )


def _fixed(conv: torch.nn.Conv2d) -> torch.nn.Conv2d:
    kernel, stride, dilation = (cast(tuple[int, int], own) for own in (conv.kernel_size, conv.stride, conv.dilation))
    bias = conv.bias is not None
    plain = torch.nn.Conv2d(conv.in_channels, conv.out_channels, kernel, stride, 0, dilation, conv.groups, bias=bias)
    plain.weight, plain.bias = conv.weight, conv.bias
    return plain


def _exported(deployed: Deployed, example: torch.Tensor) -> onnx.ModelProto:
    free = {0: "batch", **({2: "height", 3: "width"} if deployed.answer.free else {})}
    try:
        program = torch.onnx.export(
            deployed,
            (example,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[deployed.answer.output],
            dynamic_shapes={INPUT: {axis: torch.export.Dim(name) for axis, name in free.items()}},
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        name = type(deployed.model).__name__
        raise SnellenError(
            f"{name} cannot be exported to ONNX: {error}; choose another model, or use its checkpoint"
        ) from error
    if program is None:
        raise SnellenError("the ONNX exporter gave no model")
    proto: onnx.ModelProto = program.model_proto
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    # The exporter notes stack traces, with this machine's paths, at every node.
    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ""
        for value in graph.value_info:
            del value.metadata_props[:]
    for tensor in (*proto.graph.initializer, *proto.graph.input, *proto.graph.output):
        del tensor.metadata_props[:]
    del proto.graph.metadata_props[:]


def _version() -> str:
    try:
        return version("snellen")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(store.plain(value), ensure_ascii=False, sort_keys=True)
