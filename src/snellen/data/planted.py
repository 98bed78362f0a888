"""The demo's data: a part of Fashion-MNIST as a folder of images, with faults planted by a seeded generator.

The faults are written down outside the image folder, so that what an audit finds can be compared with what there is
to find.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from snellen import store
from snellen.catalog import SPLITS
from snellen.values import SnellenError

PACKED = Path(__file__).parent / "fashion_mnist.npz"
RARE = "sandal"
RARE_IMAGES = 30
FLIPPED = 0.08

# Kind of planted fault -> the rule that should name it.
FOUND_BY = {
    "truncated": "truncated_images",
    "unreadable": "unreadable_images",
    "blank": "blank_images",
    "exact_duplicate": "exact_duplicates",
    "exact_leak": "leakage",
    "near_leak": "leakage",
    "label_flip": "label_noise",
    "rare_class": "class_imbalance",
}


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """One image on its way to a file; `data` is set where the file is not simply the image."""

    image: np.ndarray
    target: str
    split: str
    data: bytes | None = None
    kinds: tuple[str, ...] = ()
    # Its number must be larger than that of the item it copies, so that an audit names the copy and not the original.
    copy_of: int | None = None


@dataclass(slots=True)
class _Plan:
    """Items in order, and the training items that no fault has touched yet, in random order."""

    items: list[_Item]
    rng: np.random.Generator
    clean: list[int] = field(default_factory=list)

    def draw(self, count: int) -> list[int]:
        taken, self.clean = self.clean[:count], self.clean[count:]
        return taken


def plant(folder: Path, *, seed: int = 0) -> dict[str, list[str]]:
    """Write the images below `folder` (split/class/*.png) and return what was planted: kind -> relative paths.

    The paths are those an audit should name: of a duplicate the later copy, of a leak the training side, of the rare
    class its folder. The same is written to `<folder>-planted.json` beside the folder. Raises SnellenError where the
    folder is not empty.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise SnellenError(f"{folder} is not empty; give a new folder for the demo's images")
    plan = _plan(np.random.default_rng(seed))
    for step in (_break, _blank, _duplicate, _leak, _flip):
        step(plan)
    planted: dict[str, list[str]] = {kind: [] for kind in FOUND_BY}
    for item, path in zip(plan.items, _names(plan), strict=True):
        # Not through the store: two thousand durable writes take a minute, and these can be made again at any time.
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(_png(item.image) if item.data is None else item.data)
        for kind in item.kinds:
            planted[kind].append(path)
    planted["rare_class"] = [f"train/{RARE}"]
    planted = {kind: sorted(paths) for kind, paths in planted.items()}
    store.write_json(folder.parent / f"{folder.name}-planted.json", planted)
    return planted


def _plan(rng: np.random.Generator) -> _Plan:
    with np.load(PACKED) as packed:
        classes = packed["classes"].tolist()
        rows = zip(packed["images"], packed["labels"].tolist(), packed["splits"].tolist(), strict=True)
        items = [_Item(image, classes[label], SPLITS[split]) for image, label, split in rows]
    kept: list[_Item] = []
    rare = 0
    for item in items:
        is_rare = item.target == RARE and item.split == "train"
        rare += is_rare
        if not is_rare or rare <= RARE_IMAGES:
            kept.append(item)
    clean = [row for row, item in enumerate(kept) if item.split == "train" and item.target != RARE]
    return _Plan(kept, rng, rng.permutation(clean).tolist())


def _change(plan: _Plan, rows: list[int], kind: str, made: Callable[[_Item], _Item]) -> None:
    for row in rows:
        item = made(plan.items[row])
        plan.items[row] = replace(item, kinds=(*item.kinds, kind))


def _break(plan: _Plan) -> None:
    """Two files cut short, and three that are no images: text, an empty file, a PNG that ends after its header."""

    def cut(item: _Item) -> _Item:
        data = _png(item.image)
        return replace(item, data=data[: int(len(data) * plan.rng.uniform(0.5, 0.8))])

    _change(plan, plan.draw(2), "truncated", cut)
    rest = iter((b"This is not an image.\n", b"", _png(np.zeros((28, 28), dtype=np.uint8))[:20]))
    _change(plan, plan.draw(3), "unreadable", lambda item: replace(item, data=next(rest)))


def _blank(plan: _Plan) -> None:
    def blank(item: _Item) -> _Item:
        return replace(item, image=np.full_like(item.image, plan.rng.integers(256)))

    _change(plan, plan.draw(4), "blank", blank)


def _duplicate(plan: _Plan) -> None:
    for row in plan.draw(15):
        item = plan.items[row]
        plan.items.append(replace(item, kinds=("exact_duplicate",), copy_of=row))


def _leak(plan: _Plan) -> None:
    """Copies of training images in val and test, by turns: 12 exact, 8 brightened and re-encoded as JPEG."""
    for number, row in enumerate(plan.draw(20)):
        item = plan.items[row]
        exact = number < 12
        image = item.image if exact else _nearly(item.image, plan.rng)
        plan.items.append(replace(item, image=image, split=SPLITS[1 + number % 2]))
        plan.items[row] = replace(item, kinds=("exact_leak" if exact else "near_leak",))


def _nearly(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    bright = np.clip(image.astype(np.float32) * rng.uniform(1.03, 1.1) + rng.uniform(0, 4), 0, 255)
    file = io.BytesIO()
    Image.fromarray(np.rint(bright).astype(np.uint8)).save(file, "JPEG", quality=92)
    return np.asarray(Image.open(file))


def _flip(plan: _Plan) -> None:
    """A wrong label for a share of the training images that nothing else was done to."""
    classes = sorted({item.target for item in plan.items} - {RARE})
    total = sum(item.split == "train" for item in plan.items)

    def flip(item: _Item) -> _Item:
        others = [name for name in classes if name != item.target]
        return replace(item, target=others[plan.rng.integers(len(others))])

    _change(plan, plan.draw(round(FLIPPED * total)), "label_flip", flip)


def _names(plan: _Plan) -> Iterator[str]:
    """A path for every item whose number says nothing of what it is."""
    numbers = plan.rng.permutation(len(plan.items))
    for row, item in enumerate(plan.items):
        if item.copy_of is not None and numbers[row] < numbers[item.copy_of]:
            numbers[[row, item.copy_of]] = numbers[[item.copy_of, row]]
    for number, item in zip(numbers.tolist(), plan.items, strict=True):
        yield f"{item.split}/{item.target}/img_{number:05d}.png"


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()
