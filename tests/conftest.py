from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).parents[2] / "shared" / "data"
# A shell has what it begins in the background ignore Ctrl-C, and so would the programs that tests begin and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
COLOURS = {"blue": (40, 60, 200), "green": (40, 180, 70), "red": (200, 50, 40), "yellow": (210, 200, 40)}


@pytest.fixture(scope="session", autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tests (and the programs that they start) never touch the user's cache, and do not fight for the machine's cores."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNELLEN_CACHE", str(folder))
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        yield folder


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """shared("stamps_cls") -> folder of a real dataset; the test is skipped, and says so, where it is not there."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.is_dir():
            pytest.skip(f"the dataset {name} is not beside the project (looked for shared/data/{name})")
        return path

    return find


def write_photos(folder: Path, *, each: int = 12, classes: tuple[str, ...] = ("blue", "red"), side: int = 64) -> Path:
    """Class folders of noisy images, each class a colour of its own; no two images are alike."""
    chance = np.random.default_rng(len(classes) * 1000 + each)
    for number, name in enumerate(classes):
        colour = np.asarray(list(COLOURS.values())[number % len(COLOURS)], dtype=float)
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(each):
            blobs = np.kron(chance.normal(0, 45, (8, 8, 3)), np.ones((side // 8, side // 8, 1)))
            pixels = np.clip(colour + blobs + chance.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}_{index:03d}.png")
    return folder


@pytest.fixture(scope="session")
def photos() -> Callable[..., Path]:
    """photos(folder, each=12, classes=("blue", "red"), side=64) -> the folder, filled with images that can be learnt."""
    return write_photos
