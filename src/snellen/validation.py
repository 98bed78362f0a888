"""Validate: what a case's model is worth on data of another origin, and whether images alone can adapt it (SPEC V1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from snellen import store
from snellen.catalog import Catalog
from snellen.data.measure import NUMBERS
from snellen.data.pixels import Pixels, open_pixels
from snellen.data.read import read
from snellen.inference import loaded_of
from snellen.opening import cache_folder
from snellen.rows import Rows
from snellen.shelf import TASKS
from snellen.ship.adapted import adapted, answered, crossed, normalised
from snellen.ship.change import change
from snellen.ship.loaded import Loaded
from snellen.ship.shift import proxy_distance
from snellen.values import SnellenError

# A proxy A-distance above this is another domain: a linear classifier tells three of four images apart.
FAR = 1.0
# So many times what a remedy must gain to be worth having (improve.margin) may be lost; where the interval excludes less, retraining or
# adapting is advised.
LOST, Z95 = 2.0, 1.959963984540054
# Fewer images say nothing, and halves of fewer have no statistics.
LEAST = 20
# Images that the exported file must answer as the model does.
PARITY = 64
Watch = Callable[[Mapping[str, Any]], None]


def validate(
    folder: str | Path, sources: str | Path | Sequence[str | Path], *, out: str | Path | None = None, watch: Watch = lambda event: None,
) -> dict[str, Any]:  # fmt: skip
    """Let the final run of a case answer labelled images of another origin, and say what became of its score and why.

    All images count, whatever split they are in; classes that the model does not know are left out and told. Writes
    `out`/validation.json (`out`: the case's folder validation-NAME), and adapted.onnx where statistics of batch normalisation taken from
    these images are proved to help. Returns {"task", "metric", "samples", "left_out", "scores", "own", "change", "shift", "adapted",
    "holds", "advice", "files"}. Raises SnellenError where the case has no final run, the data cannot be read for its task, or fewer
    than LEAST images can be used.
    """
    loaded = loaded_of(Path(folder))
    given = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    place = Path(out) if out else Path(folder) / f"validation-{given[0].resolve().stem}"
    watch({"title": "read"})
    catalog, pixels, left = _opened(loaded, given, watch)
    watch({"title": f"validate on {len(catalog)} images"})
    rows, own = answered(loaded, catalog, pixels), _own(loaded)
    apart = difference(loaded, own, rows)
    shift = _shift(loaded, catalog, pixels, watch)
    better, made = _adapted(loaded, catalog, pixels, rows)
    holds = apart["high"] > -LOST * loaded.recipe.improve.margin
    answer: dict[str, Any] = {
        "task": loaded.recipe.task, "metric": loaded.recipe.metric, "samples": len(catalog), "left_out": left,
        "scores": dict(loaded.task.measure(rows)), "own": {"n": len(own.ids), "value": loaded.task.score(own, loaded.recipe.metric)},
        "change": apart, "shift": shift, "adapted": better, "holds": holds, "advice": _advice(holds, shift, better), "files": [],
    }  # fmt: skip
    if made is not None:
        watch({"title": "export"})
        answer["files"].append(str(_exported(made, catalog, pixels, place / "adapted.onnx")))
    answer["files"].insert(0, str(place / "validation.json"))
    store.write_json(place / "validation.json", answer)
    return answer


def _opened(loaded: Loaded, given: Sequence[Path], watch: Watch) -> tuple[Catalog, Pixels, dict[str, int]]:
    """The images that can be answered and scored, their pixels, and how many were left out, by why."""
    found = read(given, task=str(TASKS.constant(loaded.recipe.task, "DATA")))
    catalog, pixels = open_pixels(
        found, size=loaded.size, cache=cache_folder(), progress=lambda done, total: watch({"done": done, "total": total}),
    )  # fmt: skip
    usable = catalog.usable()
    fitting = usable.where(loaded.task.fit(usable))
    known = loaded.task.known(fitting, loaded.classes)
    left = {
        "cannot be used": len(catalog) - len(fitting),
        "of a class that the model does not know": len(fitting) - len(known),
    }
    if len(known) < LEAST:
        raise SnellenError(
            f"{len(known)} of {len(catalog)} images can be scored ({', '.join(f'{n} {why}' for why, n in left.items())}); {LEAST} are needed. "
            f"The model knows: {', '.join(loaded.classes) or 'no classes'}"
        )
    return known, pixels, {why: number for why, number in left.items() if number}


def _own(loaded: Loaded) -> Rows:
    """What the run said of the images that it was tested on, else validated."""
    tested = (loaded.run.folder / "predictions" / "test.parquet").is_file()
    rows: Rows = loaded.run.predictions("test" if tested else "val")
    return rows


def difference(loaded: Loaded, own: Rows, rows: Rows) -> dict[str, float]:
    """The metric on new images less that on one's own, {"effect", "low", "high"}, 95 %: two samples that share no image."""
    one, other = (np.multiply(*loaded.task.paired(part, loaded.recipe.metric)) for part in (own, rows))
    middle = float(other.mean() - one.mean())
    reach = Z95 * float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in (one, other) if len(part) > 1)))
    return {"effect": middle, "low": middle - reach, "high": middle + reach}


def _shift(loaded: Loaded, catalog: Catalog, pixels: Pixels, watch: Watch) -> dict[str, Any]:
    """Proxy A-distances to the images that were held out in the case: of image statistics, and of what the classifier sees."""
    own = loaded.run.catalog.usable().of("val", "test")
    names = [name for name in NUMBERS if own.has(name) and catalog.has(name)]
    found: dict[str, Any] = {
        "limit": FAR,
        "statistics": proxy_distance(_numbers(own, names), _numbers(catalog, names)) if names else None,
    }
    if TASKS.constant(loaded.recipe.task, "TRUNK"):
        try:
            mine, theirs = open_pixels(loaded.run.catalog, size=loaded.size, cache=cache_folder())
            part = mine.usable().of("val", "test")
            found["features"] = proxy_distance(loaded.features(part, theirs), loaded.features(catalog, pixels))
        except SnellenError as error:
            # The case's own images may be gone by now.
            found["features"] = None
            watch({"notice": f"the features of the case's own images cannot be compared: {error}"})
    return found


def _numbers(catalog: Catalog, names: Sequence[str]) -> np.ndarray:
    values = np.stack([catalog.column(name).astype(np.float64) for name in names], axis=1)
    return np.asarray(np.nan_to_num(values))


def _adapted(
    loaded: Loaded, catalog: Catalog, pixels: Pixels, rows: Rows
) -> tuple[dict[str, Any] | None, Loaded | None]:
    """What statistics of these images change, paired by image, and the model with them where that is proved to be a gain."""
    if not normalised(loaded.model) or len(catalog) < 2 * LEAST:
        return None, None
    after = crossed(loaded, catalog, pixels)
    metric = loaded.recipe.metric
    told = {"value": loaded.task.score(after, metric), **change(loaded.task, rows, after, metric)}
    return told, adapted(loaded, catalog, pixels) if told["low"] > 0 else None


def _advice(holds: bool, shift: Mapping[str, Any], better: Mapping[str, Any] | None) -> str:
    far = any(one is not None and one["low"] > FAR for key, one in shift.items() if key != "limit")
    if better is not None and better["low"] > 0:
        return "adapt: statistics of batch normalisation taken from these images help, without any label (adapted.onnx)"
    if not holds:
        return "retrain with images of this kind" + (": they can be told from the case's own" if far else "")
    return "the score holds, though the images are of another kind: watch them" if far else "the score holds"


def _exported(made: Loaded, catalog: Catalog, pixels: Pixels, path: Path) -> Path:
    """The file of an adapted model; raises SnellenError where it does not say what the model says."""
    from snellen.ship.answer import Answer
    from snellen.ship.export import Deployed, to_onnx
    from snellen.ship.parity import parity
    from snellen.train.job import normal_of

    mean, std = normal_of(made.model)
    about = {
        "task": made.recipe.task,
        "recipe": made.recipe.id,
        "model": made.recipe.model.name,
        "run": made.run.folder.name,
        "adapted": True,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = Answer.by(made.task)
    to_onnx(made.model, size=made.size, classes=made.classes, mean=mean, std=std, path=path, about=about, answer=answer)
    images = made.images(catalog.take(np.arange(min(len(catalog), PARITY))), pixels)
    apart = parity(Deployed(made.model, mean=mean, std=std, answer=answer), path, images, same=answer.same)["max_abs"]
    if not apart <= made.recipe.gates.parity:
        path.unlink()
        raise SnellenError(
            f"the exported file differs from the adapted model by {apart:.2g}, more than {made.recipe.gates.parity:g}"
        )
    return path
