"""What it does
Reports what the reading of annotations met that was unusual, one finding for each kind of it: what is missing or corrupt
as a warning, what is empty or was not read as information.

Why it matters
A line that cannot be read, a mask that is not there or a class id without name is an object that training never sees,
and often a sign that a conversion or a copy went wrong.

Known problems
Only counted, with a few examples; the objects that can still be told apart are listed by the rule unusable_objects, the image
files that are not there by unreadable_images. Empty label files are as intended where images show none of the classes.

Source
SPEC D1, D7.
"""

from __future__ import annotations

from snellen.catalog import Catalog
from snellen.values import Finding, Severity

_CORRUPT = {"what": "line_corrupt", "kind": "corrupt", "text": "Lines of label files are not of the expected form."}
_EMPTY = {"what": "label_empty", "kind": "empty", "text": "Label files are empty."}
_INFO = {"what": "image_moved", "kind": "info", "text": "Paths lead elsewhere.", "count": 1, "examples": []}

FIRES = (
    {
        "catalog": {"target": ["", ""]},
        "about": {"notes": [{**_CORRUPT, "count": 2, "examples": ["a.txt:3", "b.txt:1"]}]},
    },
    {"catalog": {"target": [""]}, "about": {"notes": [_INFO, {**_EMPTY, "count": 1, "examples": ["a.txt"]}]}},
)
SILENT = (
    {"catalog": {"target": ["a"]}},
    {"catalog": {"target": [""]}, "about": {"notes": [_INFO]}},
)

_SEVERITY: dict[str, Severity] = {"missing": "warn", "corrupt": "warn", "empty": "info", "ignored": "info"}


def annotation_notes(catalog: Catalog) -> list[Finding]:
    """One finding for every note that is more than information, warnings first, the most frequent first."""
    told = [note for note in catalog.about("notes") or () if note["kind"] in _SEVERITY]
    told.sort(key=lambda note: (_SEVERITY[note["kind"]] != "warn", -note["count"]))
    return [_finding(note) for note in told]


def _finding(note: dict[str, object]) -> Finding:
    kind, count, examples = str(note["kind"]), note["count"], note["examples"]
    assert isinstance(examples, list)
    such = f", such as {', '.join(map(str, examples[:3]))}" if examples else ""
    evidence = {key: note.get(key, "") for key in ("what", "kind", "text", "count", "examples")}
    message = f"{note['text']} Found {count} time{'' if count == 1 else 's'}{such}."
    return Finding(rule="annotation_notes", severity=_SEVERITY[kind], message=message, evidence=evidence)
