"""Options that several commands have, each described once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DATA = Annotated[list[Path], typer.Argument(help="Folders of images (class folders, with or without train/val/test), a CSV or Parquet list, or a case's corrected.parquet.")]  # fmt: skip
CASE = Annotated[Path, typer.Argument(help="A folder that snellen run or snellen train wrote.")]
OUT = Annotated[Path | None, typer.Option("--out", help="Folder for everything that is written. Default: snellen-runs/NAME-TIME.")]  # fmt: skip
BUDGET = Annotated[
    str | None, typer.Option("--budget", help="Time for the whole path: 90s, 10m, 1h30m. Default: no limit.")
]
RECIPE = Annotated[Path | None, typer.Option("--recipe", help="YAML recipe; what it leaves out is advised.")]
SET = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE of the recipe, e.g. optim.lr=3e-4 or augment.parts=[]. May repeat.")]  # fmt: skip
STAGES = Annotated[str | None, typer.Option("--stages", help="Epochs by stage: head=10,last=5,all=20. A stage left out is not run. The rates are those of a classifier's stages; other tasks are better given --set 'stages=[…]'.")]  # fmt: skip
EPOCHS = Annotated[int | None, typer.Option("--epochs", min=1, help="Epochs over all stages, shared out as advised.")]
MODEL = Annotated[str | None, typer.Option("--model", help="Any timm model name.")]
TASK = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="What to train for: classification, segmentation, super-resolution or denoising. Default: what the annotations are for.",
    ),
]
KIND = Annotated[str | None, typer.Option("--task", help="What the annotations are for, where they serve several: classification, multilabel, detection, instance, keypoints, segmentation, restoration, super-resolution or denoising.")]  # fmt: skip
SEED = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the run; of several runs, the first.")]
SEEDS = Annotated[int, typer.Option("--seeds", min=1, max=20, help="Trainings of each; one can never decide.")]
AUTOPILOT = Annotated[bool, typer.Option("--autopilot", help="Rules look while training goes on: they go back and lower the rate where it blows up, and end what is hopeless.")]  # fmt: skip
RESUME = Annotated[bool, typer.Option("--resume", help="Go on where a stopped or killed run left off.")]
LANG = Annotated[str, typer.Option("--lang", help="Language of the report and of what is told here: en or zh.")]
JSON = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on standard output.")]
SPLIT = Annotated[str | None, typer.Option("--split", help="How val and test are taken where the data has none: random (default), time, or time=COLUMN (the latest are held out).")]  # fmt: skip
SAMPLE = Annotated[int, typer.Option("--sample", min=0, help="Number of random samples on the review page.")]
PARTS = Annotated[
    Path | None, typer.Option("--parts", help="Folder with your own parts (losses/, rules/run/, remedies/, …).")
]
