"""Overlays: image, wanted mask, predicted mask and where they differ, of the worst and the best images."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.pixels import Pixels
from snellen.rows import Statistics
from snellen.ship.loaded import Loaded
from snellen.train.targets import IGNORE

WORST, BEST = 8, 4
QUALITY = 88
# Told apart by most eyes (Okabe & Ito 2008), as far as they reach; then they begin again.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
MISSED, EXTRA, OTHER = (20, 60, 255), (225, 0, 20), (150, 0, 190)
FILL = 0.45
GAP = 4
PLAIN = ("background", "bg", "ground")


def overlays(
    case: Case, loaded: Loaded, usable: Catalog, pixels: Pixels, rows: Statistics, *, tell: Callable[[str], None]
) -> None:
    """Write overlays/*.jpg and overlays.json: the images of lowest mean IoU, then those of highest."""
    order = np.argsort(rows["share"], kind="stable")
    worst = order[:WORST].tolist()
    chosen = [*worst, *[place for place in order[::-1][:BEST].tolist() if place not in worst]]
    part = usable.take(usable.rows([rows.ids[place] for place in chosen]))
    samples = loaded.samples(part, pixels)
    with torch.inference_mode():
        said = [output.argmax(dim=1).cpu().numpy() for output in loaded.outputs(samples)]
    assert samples.truth is not None
    wanted = samples.truth.wanted(np.arange(len(samples)), loaded.size).numpy()
    photos = (loaded.images(part, pixels).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    plain, paths = (
        background(loaded.classes, rows),
        dict(zip(part.ids, part.table.column("path").to_pylist(), strict=True)),
    )
    items = []
    for place, photo, answer, truth in zip(chosen, photos, np.concatenate(said), wanted, strict=True):
        path = f"overlays/{rows.ids[place].replace('~', '-')}.jpg"
        store.write_bytes(case.folder / path, _jpeg(strip(photo, truth, answer, plain)))
        items.append(
            {"id": rows.ids[place], "path": path, "file": paths[rows.ids[place]], "iou": float(rows["share"][place]),
             "worst": place in worst, "classes": _classes(rows, place)}
        )  # fmt: skip
    colours = {name: colour_of(number, plain) for number, name in enumerate(loaded.classes)}
    case.write("overlays", {"colours": colours, "items": items})


def _classes(rows: Statistics, place: int) -> dict[str, float]:
    """IoU of each class that the image holds."""
    both, said, wanted = (rows[name][place] for name in ("both", "predicted", "wanted"))
    there = np.flatnonzero(wanted)
    return {rows.classes[number]: float(both[number] / (said + wanted - both)[number]) for number in there}


def background(classes: Sequence[str], rows: Statistics) -> int:
    """The class that is left clear: the one named so, else the one with most pixels."""
    named = [number for number, name in enumerate(classes) if name.strip().lower() in PLAIN]
    return named[0] if named else int(rows["wanted"].sum(axis=0).argmax())


def colour_of(number: int, plain: int) -> tuple[int, int, int] | None:
    """A class's colour; none for the background."""
    return None if number == plain else COLOURS[(number - (number > plain)) % len(COLOURS)]


def strip(photo: np.ndarray, wanted: np.ndarray, said: np.ndarray, plain: int) -> np.ndarray:
    """Four pictures side by side, [s, 4 s + gaps, 3]: photo, wanted, predicted, and what was missed, too much or another class."""
    pictures = [
        photo,
        painted(photo, wanted, plain),
        painted(photo, said, plain),
        differences(photo, wanted, said, plain),
    ]
    gap = np.full((len(photo), GAP, 3), 255, dtype=np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)


def painted(photo: np.ndarray, mask: np.ndarray, plain: int) -> np.ndarray:
    """The photo with every class filled in its colour and its border drawn solid; what nobody labelled is grey."""
    made = photo.astype(np.float32)
    edges = borders(mask)
    for number in np.unique(mask):
        colour = (128, 128, 128) if number == IGNORE else colour_of(int(number), plain)
        if colour is not None:
            inside = mask == number
            made[inside] = (1 - FILL) * made[inside] + FILL * np.asarray(colour, dtype=np.float32)
            made[inside & edges] = colour
    return made.round().astype(np.uint8)


def borders(mask: np.ndarray) -> np.ndarray:
    """Pixels with another class above, below, left or right, [s, s] bool."""
    found = np.zeros(mask.shape, dtype=bool)
    down, right = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= right
    found[:, :-1] |= right
    return found


def differences(photo: np.ndarray, wanted: np.ndarray, said: np.ndarray, plain: int) -> np.ndarray:
    """The photo in pale grey with what differs: blue missed, red too much, purple taken for another class."""
    grey = np.repeat(photo.mean(axis=2, keepdims=True), 3, axis=2)
    made = 255 - 0.5 * (255 - grey)
    known = wanted != IGNORE
    wrong = known & (wanted != said)
    for where, colour in (
        (said == plain, MISSED),
        (wanted == plain, EXTRA),
        ((said != plain) & (wanted != plain), OTHER),
    ):
        made[wrong & where] = colour
    return made.round().astype(np.uint8)


def _jpeg(picture: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "JPEG", quality=QUALITY)
    return sink.getvalue()
