"""fastai as its documentation has it: vision_learner with its defaults and fine_tune, on the same pretrained weights.

    PYTHON bench/peers/fastai_loop.py FOLDER [--epochs 4] [--seed 0]

PYTHON has fastai, timm and this project on its path. ImageDataLoaders with Resize(160), aug_transforms(128) and the backbone's
normalisation; the head trains one epoch alone, then everything: `fine_tune(4)`. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from fastai.vision.all import (
    ImageDataLoaders,
    Normalize,
    Resize,
    accuracy,
    aug_transforms,
    get_image_files,
    parent_label,
    set_seed,
    vision_learner,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.outcome import tell
from snellen.parts.models.timm_model import timm_model


def main() -> None:
    """Train, then answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="auto")
    given = parser.parse_args()
    set_seed(given.seed)
    # fastai tells of its progress on standard output.
    with contextlib.redirect_stdout(sys.stderr):
        right = answered(given)
    tell(right, {"epochs": given.epochs, "seed": given.seed})


def answered(given: argparse.Namespace) -> dict[str, bool]:
    """Train and answer val and test."""
    classes = sorted(path.name for path in (given.data / "train").iterdir() if path.is_dir())
    model = timm_model(name=given.model, classes=len(classes), weights=given.weights)
    about = model.pretrained_cfg
    batches = ImageDataLoaders.from_folder(
        given.data, train="train", valid="val", item_tfms=Resize(round(given.size * 1.25)),
        batch_tfms=[*aug_transforms(size=given.size), Normalize.from_stats(about["mean"], about["std"])],
    )  # fmt: skip
    # Its own head (two pools, two layers), batch norm and dropout, as users of its documentation get it.
    learner = vision_learner(batches, given.model, pretrained=False, normalize=False, metrics=accuracy)
    body = learner.model[0].model
    body.load_state_dict({key: value for key, value in model.state_dict().items() if key in body.state_dict()})
    learner.fine_tune(given.epochs)
    right: dict[str, bool] = {}
    for split in ("val", "test"):
        files = get_image_files(given.data / split)
        chances, _ = learner.get_preds(dl=batches.test_dl(files))
        named = [batches.vocab[place] for place in chances.argmax(dim=1).tolist()]
        paths = [file.relative_to(given.data).as_posix() for file in files]
        right |= {p: name == parent_label(file) for p, file, name in zip(paths, files, named, strict=True)}
    return right


if __name__ == "__main__":
    main()
