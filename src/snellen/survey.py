"""Survey: from folders to a measured catalog with findings. No training, and no probe of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from snellen import store
from snellen.case import Case
from snellen.catalog import Catalog
from snellen.data.duplicates import near_clusters
from snellen.data.folds import listed, with_folds
from snellen.data.masks import measure_masks
from snellen.data.peek import shorter_side
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.data.split import split
from snellen.data.times import times
from snellen.examine import audit
from snellen.opening import Settings, cache_folder
from snellen.recipe import Recipe
from snellen.shelf import TASKS
from snellen.train.copies import copies
from snellen.train.machine import Setting, setting_of
from snellen.train.map import FITTED
from snellen.train.measure import embedded, measure
from snellen.train.measure_objects import measure_objects
from snellen.train.measure_segments import MOST_JUDGED, measure_segments
from snellen.train.once import Keeping
from snellen.train.semantics import measure_transforms
from snellen.values import Finding, SnellenError

Watch = Callable[[Mapping[str, Any]], None]

# Side in pixels of the stored images at most: for whole images, and where masks or objects are drawn on them.
WHOLE, MASKS, OBJECTS = 160, 256, 384
OBJECT_TASKS = ("detection", "instance", "keypoints")
# For every second of the budget so many pairs of images are compared in detail, and so many images lay out the map: together
# that takes about a twentieth of the budget. These at least.
PAIRS, LEAST_PAIRS, LAID, LEAST_LAID = 20.0, 200, 5.0, 500
# And so many masks are compared with what a segmenter sees: at 80 ms for each, an eighth of it.
MASKS_JUDGED, LEAST_MASKS = 1.5, 60
# The coarsest stride of the networks: maps of other sides do not lie exactly over what is drawn.
STRIDE = 32


def look(case: Case, settings: Settings, *, watch: Watch) -> tuple[Finding, ...]:
    """Read and measure the data, store the catalog, and let the catalog rules look."""
    wanted, given = settings.wanted()
    catalog = read_catalog(settings, wanted, given, watch)
    size = wanted.data.eval_size or stored_size(catalog)
    case.write("settings", settings.plain())
    catalog, _, findings = measured(case, catalog, wanted, size, setting_of(wanted.train, Setting()), watch)
    if settings.folds is not None:
        catalog = with_folds(catalog, settings.folds, seed=0)
        catalog.save(case.folder / "catalog.parquet")
        store.write_text(case.folder / "folds.csv", listed(catalog))
    return findings


def stored_size(catalog: Catalog) -> int:
    """Side in pixels at which the images of a catalog are stored for its audit. Reads the headers of some files."""
    shorter = int(shorter_side(catalog))
    if catalog.task in ("classification", "multilabel"):
        return max(64, min(WHOLE, shorter))
    most = OBJECTS if catalog.task in OBJECT_TASKS else MASKS
    return min(most, max(64, -(-shorter // STRIDE) * STRIDE))


def read_catalog(settings: Settings, wanted: Recipe, given: Mapping[str, Any], watch: Watch) -> Catalog:
    """What the folders and files hold; the task is the user's where it was stated. Raises SnellenError where they do not
    hold it."""
    watch({"title": "read"})
    asked = str(TASKS.constant(wanted.task, "DATA") or wanted.task) if "task" in given else None
    if settings.task and settings.task not in TASKS.names():
        asked = settings.task
    catalog = read(settings.sources, group=wanted.data.group, task=asked)
    if wanted.data.time:
        times(catalog, wanted.data.time)  # What cannot be read is told now, and not after the decoding.
    return catalog


# Any folder can be read as these; they are taken where nothing else is there, or asked for.
PLAIN = ("classification", "images")


def trainable_catalog(settings: Settings, wanted: Recipe, given: Mapping[str, Any], watch: Watch) -> Catalog:
    """As `read_catalog`; where what is found cannot be trained and the user named no task, other annotations of the same data
    are looked for that can be, and the choice is told."""
    catalog = read_catalog(settings, wanted, given, watch)
    kinds = {str(TASKS.constant(name, "DATA")) for name in TASKS.names()}
    if "task" in given or settings.task or catalog.task in kinds:
        return catalog
    for kind in sorted(kinds - set(PLAIN)):
        try:
            other = read(settings.sources, group=wanted.data.group, task=kind)
        except SnellenError as why:
            watch({"notice": f"looked for {kind}, which could be trained: {why}"})
            continue
        watch({"notice": f"annotated for {catalog.task} and for {kind}: {kind} is what can be trained, and is taken"})
        return other
    return catalog


def measured(
    case: Case, catalog: Catalog, wanted: Recipe, size: int, setting: Setting, watch: Watch, *,
    keeping: Keeping | None = None, budget: float | None = None,
) -> tuple[Catalog, Pixels, tuple[Finding, ...]]:  # fmt: skip
    """Decode once, measure, split, embed, judge, and let the catalog rules look; what the case holds already is read.

    `keeping`: what the network gives is kept for a training. `budget`: seconds of the whole path; looks that cost much are
    then limited to a share of it, and it is told."""
    watch({"title": "decode and measure"})
    catalog, pixels = open_pixels(
        catalog, size=size, cache=cache_folder(), progress=lambda done, total: watch({"done": done, "total": total}),
        notice=lambda text: watch({"notice": text}),
    )  # fmt: skip
    if (case.folder / "catalog.parquet").is_file():
        return case.catalog, pixels, case.audit
    watch({"title": "embed"})
    model = setting.prepare(_backbone(wanted, catalog))
    # Of images in which objects are sought more pixels are stored than a look at the whole needs.
    whole = min(size, MASKS) if catalog.task in OBJECT_TASKS else size
    catalog = embedded(catalog, pixels, model, setting, size=whole, keeping=keeping)
    watch({"title": "look for copies"})
    pairs, laid = _bounds(budget)
    also = (
        copies(catalog, pixels, most=pairs, tell=lambda words: watch({"notice": words}))
        if catalog.has("embedding")
        else None
    )
    catalog = catalog.with_columns({"near": near_clusters(catalog, also=also)})
    # One unusable image says nothing about the others: the split sees all, training only what is usable.
    if wanted.data.time and {"val", "test"} <= {*catalog.column("split").tolist()}:
        watch({"notice": "the data has its own splits; they stay as they are, not divided by time"})
    catalog = split(catalog, val=wanted.data.val, test=wanted.data.test, seed=0, time=wanted.data.time)
    watch({"title": "judge labels and look for strangers"})
    catalog = measure(catalog, pixels, model, setting, size=whole, laid=laid)
    if catalog.task == "classification":
        catalog = measure_transforms(catalog, pixels, model, setting, size=size)
    catalog = _annotations(catalog, pixels, model, setting, size, watch, masks=_masks(budget))
    catalog = catalog.drop_columns(["thumb"])
    findings = audit(catalog)
    catalog.save(case.folder / "catalog.parquet")
    case.write_audit(findings)
    return catalog, pixels, findings


def _bounds(budget: float | None) -> tuple[int | None, int]:
    """Pairs of images that are compared in detail, and images that the map is laid out by: their share of the budget."""
    if budget is None:
        return None, FITTED
    return max(LEAST_PAIRS, round(PAIRS * budget)), min(FITTED, max(LEAST_LAID, round(LAID * budget)))


def _backbone(wanted: Recipe, catalog: Catalog) -> nn.Module:
    """The wanted model where it is a classifier's trunk, else the default one: whatever is drawn on the images, a classifier
    looks at them."""
    looks = wanted if TASKS.constant(wanted.task, "TRUNK") else Recipe()
    made: nn.Module = TASKS.pick("classification")().model(looks, catalog.classes or ("a", "b"))
    return made


def _masks(budget: float | None) -> int:
    """Masks that are compared with what a segmenter sees: their share of the budget."""
    return MOST_JUDGED if budget is None else min(MOST_JUDGED, max(LEAST_MASKS, round(MASKS_JUDGED * budget)))


def _annotations(
    catalog: Catalog, pixels: Pixels, model: nn.Module, setting: Setting, size: int, watch: Watch, *, masks: int
) -> Catalog:
    """What is measured of drawn objects and masks, of these at most so many."""
    if catalog.task in OBJECT_TASKS:
        watch({"title": "look at what is drawn"})
        return measure_objects(catalog, pixels, model, setting, size=size)
    if catalog.task == "segmentation":
        watch({"title": "look at the masks"})
        return measure_segments(measure_masks(catalog), pixels, model, setting, size=size, most=masks)
    return catalog
