"""OpenCV, imported when it is first needed, and told to leave threads to those who call it."""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def opencv() -> Any:
    """The module cv2. Images are dealt out to threads by the caller: one image is too little for several."""
    import cv2

    cv2.setNumThreads(0)
    return cv2
