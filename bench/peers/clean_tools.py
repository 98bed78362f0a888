"""Peers of the audit, run by an interpreter that has them: cleanvision (images), cleanlab (labels), imagededup (copies).

    python clean_tools.py --folder FOLDER [--embeddings rows.npy --rows rows.json]

Prints one JSON object. Each with the settings that it comes with. rows.npy [n, d] are the features that our audit judged labels
from, rows.json {"paths", "labels"} name them. cleanvision stops at the first file that cannot be opened, so it is handed those
that Pillow opens.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import logging
import os
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

LICENCES = {"cleanvision": "Apache-2.0", "cleanlab": "Apache-2.0", "imagededup": "Apache-2.0"}
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
FOLDS = 5


def images_below(folder: Path) -> tuple[list[str], list[str]]:
    """Absolute paths of the images that Pillow opens, and of those that it does not; masks are no images of the data."""
    from PIL import Image

    opened, refused = [], []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        if path.relative_to(folder).parts[0] in ("masks", "instances"):
            continue
        try:
            Image.open(path).copy()
        except OSError:
            refused.append(str(path))
        else:
            opened.append(str(path))
    return opened, refused


def cleanvision(folder: Path) -> dict[str, Any]:
    """Issues by name, and pairs of copies; paths relative to the folder."""
    from cleanvision import Imagelab

    files, refused = images_below(folder)
    lab = Imagelab(filepaths=files)
    lab.find_issues(verbose=False)
    table = lab.issues
    flags = [name for name in table.columns if name.startswith("is_") and "duplicates" not in name]
    issues = {
        name.removeprefix("is_").removesuffix("_issue"): _relative(table.index[table[name].astype(bool)], folder)
        for name in flags
    }
    pairs = {
        name: [pair for group in lab.info[name]["sets"] for pair in itertools.combinations(_relative(group, folder), 2)]
        for name in ("exact_duplicates", "near_duplicates")
    }
    return {"issues": issues, "pairs": pairs, "refused": _relative(refused, folder)}


def imagededup(folder: Path) -> dict[str, Any]:
    """Pairs of PHash: equal hashes, and the default distance of at most 10 bits."""
    from imagededup.methods import PHash

    method = PHash(verbose=False)
    codes = method.encode_images(str(folder), recursive=True)
    codes = {name: code for name, code in codes.items() if Path(name).parts[0] not in ("masks", "instances")}
    found = {}
    for name, limit in (("exact_duplicates", 0), ("near_duplicates", 10)):
        listed = method.find_duplicates(encoding_map=codes, max_distance_threshold=limit)
        found[name] = sorted({tuple(sorted((one, other))) for one, others in listed.items() for other in others})
    return {"pairs": found}


def cleanlab(features: Any, labels: list[str], *, calm: bool) -> dict[str, Any]:
    """Label quality of every row and the rows that are called wrong, from 5-fold cross-validated logistic regression; `calm`
    reduces to 128 directions and penalises more."""
    import numpy as np
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    size = min(128, features.shape[1], len(features) // 2)
    head = (
        make_pipeline(StandardScaler(), PCA(size, random_state=0), LogisticRegression(C=0.02, max_iter=1000))
        if calm
        else make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    )
    _, codes = np.unique(labels, return_inverse=True)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    probabilities = cross_val_predict(head, features.astype("float32"), codes, cv=folds, method="predict_proba")
    wrong = find_label_issues(codes, probabilities, return_indices_ranked_by="self_confidence")
    return {"quality": get_label_quality_scores(codes, probabilities).tolist(), "wrong": [int(row) for row in wrong]}


def _relative(paths: Iterable[str], folder: Path) -> list[str]:
    return [Path(path).relative_to(folder).as_posix() for path in paths]


def _timed(name: str, seconds: dict[str, float], make: Any) -> Any:
    # Of all processors, with those of child processes.
    began = sum(os.times()[:4])
    answer = make()
    seconds[name] = sum(os.times()[:4]) - began
    return answer


def compare(folder: Path, embeddings: Path | None, rows: Path | None) -> dict[str, Any]:
    """All three on one folder."""
    import numpy as np

    seconds: dict[str, float] = {}
    answer: dict[str, Any] = {
        "cleanvision": _timed("cleanvision", seconds, lambda: cleanvision(folder)),
        "imagededup": _timed("imagededup", seconds, lambda: imagededup(folder)),
    }
    if embeddings is not None and rows is not None:
        features, named = np.load(embeddings), json.loads(rows.read_text(encoding="utf-8"))
        for name, calm in (("cleanlab", False), ("cleanlab, calm head", True)):
            answer[name] = _timed(name, seconds, lambda calm=calm: cleanlab(features, named["labels"], calm=calm))
            answer[name]["wrong"] = [named["paths"][row] for row in answer[name]["wrong"]]
    return {**answer, "seconds": seconds, "versions": {n: version(n) for n in LICENCES}, "licences": LICENCES}


def main() -> None:
    """What the tools themselves print goes to stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--embeddings", type=Path, default=None)
    parser.add_argument("--rows", type=Path, default=None)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(sys.stderr):
        answer = compare(given.folder.resolve(), given.embeddings, given.rows)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
