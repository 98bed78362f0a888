"""Notes: everything unusual that reading met, counted, with a few examples. A note never stops the reading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from snellen.catalog import Catalog

EXAMPLES = 5

# What can be said: kind (missing, empty, corrupt, ignored, info) and one sentence.
NOTES = {
    "image_missing": ("missing", "Image files that the annotation names are not there."),
    "image_outside": ("corrupt", "Paths in the annotation lead out of the folder; they were not followed."),
    "image_moved": ("info", "Paths in the annotation lead elsewhere; the file of that name in the folder was taken."),
    "image_ambiguous": ("corrupt", "Names in the annotation fit several image files; none of them was taken."),
    "image_unlisted": ("missing", "Images stand in no annotation; they are listed as without label."),
    "image_twice": ("corrupt", "Images are listed more than once; their objects were put together."),
    "image_id_twice": ("corrupt", "Image ids are given to several images; their objects cannot be told apart."),
    "image_unnamed": ("corrupt", "Entries for images have no id or no file name."),
    "image_turned": (
        "info",
        "Objects were drawn on the stored pixels of images that EXIF turns; they were turned too.",
    ),
    "image_unread": ("corrupt", "Images cannot be opened, so that their objects have no size in pixels."),
    "size_differs": ("corrupt", "The annotation states another image size than the file has."),
    "object_without_image": (
        "corrupt",
        "Objects belong to an image that is not listed or not in the folder; they were left out.",
    ),
    "object_unreadable": ("corrupt", "Entries for objects are of no known form; they were left out."),
    "outline_short": ("corrupt", "Polygons with fewer than three points stand beside sound ones of the same object."),
    "label_missing": ("missing", "Images have no label file; they count as without objects."),
    "label_empty": ("empty", "Label files are empty; their images count as without objects."),
    "label_without_image": ("missing", "Label files belong to no image; they were left out."),
    "line_corrupt": ("corrupt", "Lines of label files are not of the expected form."),
    "line_confidence": ("info", "Lines of label files have a sixth number, as predictions have; it was left out."),
    "class_unknown": ("corrupt", "Objects have a class id that the list of classes does not have."),
    "class_twice": ("corrupt", "Class ids are listed more than once; the first name was taken."),
    "classes_missing": ("missing", "There is no list of class names; classes are called by their numbers."),
    "classes_corrupt": ("corrupt", "The list of class names cannot be read."),
    "classes_differ": ("corrupt", "Sources call one class id by different names; the first name was taken."),
    "keypoints_differ": ("corrupt", "Files list different keypoints; those of the first were taken."),
    "name_not_utf8": ("corrupt", "Names are not UTF-8; their bytes are shown as \\xNN."),
    "file_corrupt": ("corrupt", "Annotation files cannot be read."),
    "file_unknown": ("corrupt", "Annotation files are of an unknown version."),
    "format_ignored": ("ignored", "Other annotations of the same images are there too and were not read."),
    "file_ignored": ("ignored", "Annotation files describe images that another file describes; they were not read."),
    "folder_ignored": ("ignored", "Folders of images that no annotation names were left out."),
    "instances_ignored": ("ignored", "Instance maps (images of object ids) are there and were not read."),
    "split_twice": ("corrupt", "One folder of images is named for several splits; the first was taken."),
    "split_differs": ("corrupt", "Images lie in a folder of another split than the one their annotation names."),
    "mask_missing": ("missing", "Images have no mask file."),
    "mask_twice": ("corrupt", "Images have several mask files; the first was taken."),
    "mask_without_image": ("missing", "Mask files belong to no image; they were left out."),
    "mask_lossy": ("corrupt", "Masks are JPEG files: their compression changes class ids along borders."),
    "pair_missing": ("missing", "Images have no counterpart in the folder of wanted images; they were left out."),
    "given_ignored": ("info", "Images that were made worse stand beside the wanted ones; the wanted ones were taken."),
    "pair_unused": ("missing", "Wanted images have no counterpart; they were left out."),
    "images_uncompared": (
        "ignored",
        "Images are many for the time given: what is drawn on an even part was compared with what a model sees, on these it was not.",
    ),
    "metadata_unused": (
        "missing",
        "Lines of metadata.csv name no image that is there, or a name that several have; their split and group are not used.",
    ),
    "value_unsure": ("info", "Cells of label columns say neither yes nor no; they count as no."),
}


class Notes:
    """Collects notes in order of first appearance."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, list[str]]] = {}

    def add(self, what: str, example: str = "", count: int = 1) -> None:
        """One more case of what is in NOTES."""
        before, examples = self._found.get(what, (0, []))
        if example and len(examples) < EXAMPLES:
            examples.append(plain_text(example))
        if what not in NOTES:
            raise KeyError(what)
        self._found[what] = (before + count, examples)

    def listed(self) -> tuple[dict[str, Any], ...]:
        """{"what", "kind", "text", "count", "examples"} of every note."""
        return tuple(
            {"what": what, "kind": NOTES[what][0], "text": NOTES[what][1], "count": count, "examples": list(examples)}
            for what, (count, examples) in self._found.items()
        )


def joined(lists: Iterable[Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Notes of several sources as one list, the same ones added up."""
    found: dict[str, dict[str, Any]] = {}
    for note in (note for notes in lists for note in notes):
        known = found.setdefault(note["what"], {**note, "count": 0, "examples": []})
        known["count"] += note["count"]
        known["examples"] = [*known["examples"], *note["examples"]][:EXAMPLES]
    return list(found.values())


def with_note(catalog: Catalog, what: str, count: int) -> Catalog:
    """The catalog with one more note, or as it is where there is nothing to say (a count of 0)."""
    if not count:
        return catalog
    notes = Notes()
    notes.add(what, count=count)
    return catalog.with_about({"notes": joined([catalog.about("notes") or (), notes.listed()])})


def plain_text(text: str) -> str:
    """The text as UTF-8 can hold it; bytes that are none appear as \\xNN."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        # Half of a pair, which JSON can hold ("\ud83d"), stands for no byte.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
