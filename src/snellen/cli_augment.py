"""Commands about augmentation, one short function each: expand a small set, search for a policy."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated, Any

import typer

from snellen import cli_call
from snellen.cli_options import DATA, JSON, OUT, RECIPE, RESUME, SET

SEED = Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn.")]


def expand(
    data: DATA, out: Annotated[Path, typer.Option("--out", help="A new folder.")],
    times: Annotated[int, typer.Option("--times", help="So many times as many training images: 2 to 10.")] = 3,
    set_: SET = None, seed: SEED = 0, json: JSON = False,
) -> None:  # fmt: skip
    """Write augmented copies of a small training set.

    Copies stay in the split of their original.

    Example: snellen expand photos/ --times 4 --out photos-x4
    """
    from snellen import show

    with cli_call.watched(None, None, saves=False) as (_, watching):
        from snellen import curate

        answer = curate.expand(data, out=out, times=times, changes=cli_call.changes(set_, seed=seed), **watching)
    show.written(answer, json=json)


def policy(
    data: DATA,
    out: OUT = None, recipe: RECIPE = None, set_: SET = None, seed: SEED = 0, json: JSON = False,
    images: Annotated[int, typer.Option("--images", min=20, help="Training images that are looked at.")] = 400,
    confirm: Annotated[int, typer.Option("--confirm", min=0, help="Train so many seeds of the whole recipe with and without what was found.")] = 0,
    resume: RESUME = False,
) -> None:  # fmt: skip
    """Search for the augmentation that suits these images.

    Operations and strengths, judged on validation; test is never read.

    Example: snellen policy photos/ --confirm 2
    """
    with cli_call.watched(None, recipe) as (_, watching):
        from snellen.policy import policy as search

        answer = search(
            data, out=out, recipe=recipe, changes=cli_call.changes(set_, seed=seed), images=images, confirm=confirm, resume=resume,
            **watching,
        )  # fmt: skip
    _show(answer, json=json)


def _show(answer: dict[str, Any], *, json: bool) -> None:
    if json:
        from snellen.store import plain

        print(jsonlib.dumps(plain(answer), ensure_ascii=False, allow_nan=False))
        return
    print(
        f"against no augmentation, in nats of the {answer['metric']}, frozen network, {answer['validation'][0]} images:"
    )
    for item in answer["policies"]:
        print(f"  {item['effect']:+.4f} [{item['low']:+.4f}, {item['high']:+.4f}]  {item['name']}")
    print(f"chosen: {answer['chosen']['name']}; on images that had no say:")
    for words, item in answer["judged"].items():
        print(
            f"  {words}: {item['effect']:+.4f} [{item['low']:+.4f}, {item['high']:+.4f}], n = {item['n']} x {item['seeds']}"
        )
    print(f"use it: --recipe {answer['files'][0]}   ({answer['seconds']:.0f} s)")
