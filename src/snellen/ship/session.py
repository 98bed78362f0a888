"""ONNX Runtime on this machine's processor, with the threads that torch uses, so that the two compare."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import torch

from snellen.values import SnellenError

# Errors only: a note per fused operator is no news to a user.
QUIET = 3


def session(path: Path) -> onnxruntime.InferenceSession:
    """Open an ONNX file on the CPU; raises SnellenError where there is none."""
    if not Path(path).is_file():
        raise SnellenError(f"{path} is missing; export the model first")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    # Its threads would go on spinning after a call and take the cores from whoever comes next: torch, timed in turns
    # with it, was measured 2 to 15 times slower for that on 2 busy cores, while the file itself was no faster.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
