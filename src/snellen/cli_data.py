"""Commands about the data: look at it, judge it by hand, compare who annotated it, hand it on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from snellen import cli_call
from snellen.cli_options import CASE, DATA, JSON, KIND, LANG, OUT, PARTS, SAMPLE, SPLIT


def audit(
    data: DATA, out: OUT = None, lang: LANG = "en", json: JSON = False, parts: PARTS = None, task: KIND = None,
    split: SPLIT = None,
    folds: Annotated[int | None, typer.Option("--folds", min=2, help="Deal all but the test split into so many folds: folds.csv.")] = None,
    review: Annotated[bool, typer.Option("--review", help="Then serve the review page, as snellen review does.")] = False,
    sample: SAMPLE = 200,
    apply: Annotated[Path | None, typer.Option("--apply", help="Then carry out the decisions of a review.jsonl.")] = None,
) -> None:  # fmt: skip
    """Look at the data alone; list what is wrong with it.

    Example: snellen audit photos/ --json

    Example: snellen audit photos/ --task detection --split time --folds 5
    """
    if apply and not apply.is_file():
        raise typer.BadParameter(f"{apply} is not a file", param_hint="--apply")
    from snellen import show

    cli_call.lang(lang)
    with cli_call.watched(parts, None, saves=False, lang=lang) as (verbs, watching):
        answer = verbs.audit(
            data, out=out, lang=lang, task=task and task.replace("-", "_"), changes=cli_call.changes(None, split=split), folds=folds, **watching,
        )  # fmt: skip
    named = any(finding["severity"] != "info" and finding["samples"] for finding in answer["findings"])
    show.answer(answer, json=json, lang=lang, hint="review" if named and not review else "")
    case = Path(answer["run"])
    if apply:
        _apply(case, apply, show=not json)
    if review:
        _review(case, sample=sample, seed=0, port=0, lang=cli_call.lang(lang))


def review(
    folder: CASE, sample: SAMPLE = 200, lang: LANG = "en",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random samples.")] = 0,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of 127.0.0.1. Default: a free one.")] = 0,
) -> None:  # fmt: skip
    """Judge findings by hand, on a page in the browser.

    Serves findings and random samples on this machine alone; Ctrl-C ends it.

    Example: snellen review snellen-runs/photos-20260101-120000
    """
    _review(folder, sample=sample, seed=seed, port=port, lang=cli_call.lang(lang))


def apply(
    folder: CASE, json: JSON = False,
    review: Annotated[Path | None, typer.Option("--review", help="File of decisions. Default: the case's review.jsonl.")] = None,
) -> None:  # fmt: skip
    """Carry out the decisions of a review.

    Writes corrected.parquet and corrected.json into the case; no file of yours is changed.

    Example: snellen apply snellen-runs/photos-20260101-120000
    """
    _apply(folder, review, json=json)


def agree(
    data: Annotated[list[Path], typer.Argument(help="Two or more annotations of the same images, one of each annotator.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to.")], json: JSON = False,
    decisions: Annotated[Path | None, typer.Option("--decisions", help="disputes.jsonl with the arbiter's decisions filled in.")] = None,
    iou: Annotated[float, typer.Option("--iou", help="Least overlap of two annotators' boxes that are one object.")] = 0.5,
    limit: Annotated[float, typer.Option("--limit", help="Conflict rate above which an arbiter is asked for.")] = 0.05,
) -> None:  # fmt: skip
    """Compare annotators; list what they dispute.

    With --decisions: write the consensus.

    Example: snellen agree anna/instances.json bert/instances.json --out agreement
    """
    from snellen import show

    with cli_call.ready(None, None):
        from snellen import curate

        answer = curate.agree(data, out=out, decisions=decisions, iou=iou, limit=limit)
    show.written(answer, json=json)


def export(
    folder: CASE, to: Annotated[str, typer.Option("--to", help="coco, yolo, voc, imagefolder, fiftyone, labelstudio or cvat.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder.")], json: JSON = False,
) -> None:  # fmt: skip
    """Write a case's labels in another tool's format.

    As corrected by its review. Images are not copied.

    Example: snellen export snellen-runs/photos-20260101-120000 --to coco --out labels
    """
    from snellen import show

    with cli_call.ready(None, None):
        from snellen import curate

        answer = curate.export(folder, to=to, out=out)
    show.written(answer, json=json)


def _review(folder: Path, *, sample: int, seed: int, port: int, lang: str) -> None:
    with cli_call.ready(None, None, lang=lang) as (verbs, console):
        from snellen.report.progress_words import speaker

        say, command = speaker(lang), f"snellen apply {shlex.quote(str(folder))}"

        def told(address: str) -> None:
            console.print(say(f"review: {address}   (Ctrl-C ends it)"), style="bold", markup=False, soft_wrap=True)

        kept = verbs.review(folder, sample=sample, seed=seed, port=port, lang=lang, told=told)
        console.print(say(f"decisions: {kept}   ({command} carries them out)"), markup=False, soft_wrap=True)


def _apply(folder: Path, review: Path | None, *, json: bool = False, show: bool = True) -> None:
    from snellen import show as shown

    with cli_call.ready(None, None) as (verbs, _):
        answer = verbs.apply(folder, review=review)
    if show:
        shown.changes(answer, json=json)
