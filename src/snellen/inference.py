"""Predict: what a case's model says of photos that it has not seen."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from snellen import store
from snellen.case import Case
from snellen.data.walk import find_images
from snellen.opening import unused
from snellen.run import Run
from snellen.shelf import ANSWERS, TASKS
from snellen.ship.loaded import Loaded, load
from snellen.ship.said import Said
from snellen.values import SnellenError

# Files that are answered together; their lines are on the disk before the next ones are read.
TOGETHER = 32
TABLE, PICTURES = "predictions.csv", "pictures"


def predict(
    folder: str | Path, sources: str | Path | Sequence[str | Path], *, out: str | Path,
    watch: Callable[[Mapping[str, Any]], None] = lambda event: None,
) -> dict[str, Any]:  # fmt: skip
    """Let the final run of a case answer images that need no labels: files, or folders with all below them.

    Writes `out`/predictions.csv, a line for every file (path, verdict, what the task answers), and where the answer is an image (a
    mask of class numbers, a restored photo) `out`/pictures/NAME.png. Files that cannot be used are listed with their verdict.
    Returns {"files", "samples", "left_out": {verdict: n}, "answers": {answer: n}}. Raises SnellenError where the case has no
    final run, there is no image, or `out` is not empty or lies in what is answered.
    """
    given = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    named = [pair for source in given for pair in _named(source)]
    place = unused(Path(out), given)
    loaded = loaded_of(Path(folder))
    sayer = ANSWERS.pick(TASKS.constant(loaded.recipe.task, "ANSWER"))(loaded)
    watch({"title": f"predict {len(named)} images"})
    left: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    place.mkdir(parents=True, exist_ok=True)
    # With a mark that says UTF-8: a spreadsheet would take it for another encoding.
    with (place / TABLE).open("w", encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        table = csv.DictWriter(file, ["path", "verdict", *sayer.columns, "picture"], restval="", lineterminator="\n")
        table.writeheader()
        for start in range(0, len(named), TOGETHER):
            part = named[start : start + TOGETHER]
            for (path, name), said in zip(part, sayer.say([path for path, _ in part]), strict=True):
                table.writerow({"path": path, "verdict": said.verdict, **said.row, "picture": _kept(said, place, name)})
                (answers if said.verdict == "ok" else left)[said.short or said.verdict] += 1
            file.flush()
            watch({"done": start + len(part), "total": len(named)})
    files = [str(place / TABLE), *([str(place / PICTURES)] if (place / PICTURES).is_dir() else [])]
    return {"files": files, "samples": len(named), "left_out": dict(left), "answers": dict(answers.most_common())}


def loaded_of(folder: Path) -> Loaded:
    """The final run of a case; raises SnellenError where there is none."""
    final = Case(folder).read("final") if (folder / "catalog.parquet").is_file() else None
    if final is None:
        raise SnellenError(
            f"{folder} is not a case with a trained model; give the folder that snellen run or snellen train wrote"
        )
    return load(Run.open(folder / "runs" / final["run"]))


def _named(source: Path) -> Iterator[tuple[Path, Path]]:
    """Files and the names that their pictures are to have: below a source as there, and those of two sources apart."""
    if source.is_dir():
        found = [Path(*parts) for parts in find_images(source).files]
        if not found:
            raise SnellenError(
                f"{source} holds no images (looked for the suffixes of JPEG, PNG, WebP, TIFF, BMP, GIF and PPM)"
            )
        yield from ((source / path, Path(source.resolve().name) / path) for path in found)
    elif source.is_file():
        yield source, Path(source.name)
    else:
        raise SnellenError(f"{source} does not exist; give images, or folders of images")


def _kept(said: Said, place: Path, name: Path) -> str:
    """Store the picture; its path below the folder, or nothing where there is none."""
    if said.picture is None:
        return ""
    sink = io.BytesIO()
    said.picture.save(sink, format="PNG")
    # The whole name stays, so that a.jpg and a.png have a picture each.
    path = Path(PICTURES) / name.with_name(f"{name.name}.png")
    for number in range(2, 10_000):
        if not (place / path).exists():
            break
        path = path.with_name(f"{name.name}-{number}.png")
    store.write_bytes(place / path, sink.getvalue())
    return path.as_posix()
