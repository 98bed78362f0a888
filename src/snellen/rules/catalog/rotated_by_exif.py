"""What it does
Counts the usable images whose EXIF orientation tag asks for a turn or a mirror image. It warns where boxes, masks or points were
drawn, and informs elsewhere.

Why it matters
Here the tag is applied. A program that ignores it sees these images lying on their side: a model that is served by such a
program meets images that it never saw, and annotations that were drawn in such a program lie elsewhere.

Known problems
Whether the annotations were drawn on the turned image is not known; look at the listed samples.

Source
SPEC D4, D7; CIPA DC-008 (Exif 2.32), tag Orientation.
"""

from __future__ import annotations

import numpy as np

from snellen.catalog import Catalog
from snellen.values import Finding, Severity

FIRES = (
    {"catalog": {"orientation": [1, 1, 6]}},
    {"catalog": {"orientation": [3, 8]}, "about": {"task": "detection"}},
)
SILENT = (
    {"catalog": {"orientation": [1, 1, 1]}},
    {"catalog": {"orientation": [1, 6], "verdict": ["ok", "truncated"]}},
)
DRAWN = ("detection", "instance", "keypoints", "segmentation", "restoration")


def rotated_by_exif(catalog: Catalog) -> list[Finding]:
    """One finding with the number of images by tag."""
    usable = catalog.usable()
    tags = np.nan_to_num(usable.column("orientation").astype(np.float64), nan=1.0).astype(int)
    turned = usable.where(tags != 1)
    if not len(turned):
        return []
    values, numbers = np.unique(tags[tags != 1], return_counts=True)
    counts = {str(value): int(number) for value, number in zip(values, numbers, strict=True)}
    drawn = catalog.task in DRAWN
    words = ", ".join(f"{number} with tag {value}" for value, number in counts.items())
    message = (
        f"{len(turned)} of {len(usable)} images are turned by their EXIF orientation ({words}); here that is applied. "
    )
    message += (
        "Check that their annotations were drawn on the turned image."
        if drawn
        else "A program that ignores the tag sees them otherwise."
    )
    severity: Severity = "warn" if drawn else "info"
    evidence = {"count": len(turned), "total": len(usable), "tags": counts, "kind": "drawn" if drawn else "whole"}
    return [Finding(rule="rotated_by_exif", severity=severity, message=message, evidence=evidence, samples=turned.ids)]
