"""Pascal VOC XML: one file an image, a box for every object.

Source: the VOC2012 development kit (Everingham & Winn 2012, section 4): pixels are counted from 1, and the last one
belongs to the box. So x0 = xmin - 1 and x1 = xmax, unless a coordinate 0 in the folder shows that its pixels are counted
from 0.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snellen.data.formats.names import Claims, Names, in_split, split_of
from snellen.data.formats.notes import Notes, plain_text
from snellen.data.formats.outlines import drawn, number
from snellen.data.formats.placed import Placed, placed_samples
from snellen.data.formats.sample import Reading
from snellen.data.formats.sizes import Size
from snellen.data.formats.text import Unreadable, content, decoded, head, is_utf8, lines_of
from snellen.data.formats.tree import Parts, images_of, shown, stem, with_suffix
from snellen.data.walk import is_image_name

FORMAT = "Pascal VOC XML"
TASKS = ("detection",)
OWN = (".xml",)

_LOOKED = 8
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_ENCODING = re.compile(rb"""<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["']""")


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "Pascal VOC XML" where XML files have its root element."""
    found = with_suffix(files, ".xml")
    step = max(1, len(found) // _LOOKED)
    return FORMAT if any(b"<annotation" in head(root.joinpath(*file)) for file in found[::step]) else None


def read_voc(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """All XML files below `root`; splits by ImageSets/Main/<split>.txt, else by folder."""
    notes = Notes()
    images = images_of(files)
    splits = _splits(root, files, notes)
    trees = {file: _tree(root.joinpath(*file), shown(file), notes) for file in with_suffix(files, ".xml")}
    found = list(_matched({file: tree for file, tree in trees.items() if tree is not None}, images, notes))
    first = 0.0 if any(make.counts_from_zero() for _, make in found) else 1.0
    placed: dict[Parts, Placed] = {}
    for image, make in found:
        make.first = first
        listed = next((splits[name] for name in _called(image) if name in splits), "")
        place = placed.setdefault(image, Placed(split=listed))
        if place.make:
            notes.add("image_twice", shown(make.file))
        place.stated = make.stated()
        place.make.append(make)
    samples = placed_samples(root, name, placed, images, notes)
    classes = tuple(sorted({item["label"] for sample in samples for item in sample.objects}))
    return Reading(tasks=TASKS, format=FORMAT, samples=samples, classes=classes, notes=notes.listed())


class _Guarded(ElementTree.TreeBuilder):
    """Refuses a document type before its entities could be expanded or fetched."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Unreadable("a document type (with entities) is refused")


def _tree(file: Path, name: str, notes: Notes) -> ElementTree.Element | None:
    try:
        tree = _parsed(content(file), name, notes)
    except (Unreadable, ElementTree.ParseError, ValueError, LookupError) as why:
        notes.add("file_corrupt", f"{name}: {why}")
        return None
    if tree.tag != "annotation":
        notes.add("file_unknown", f"{name}: its root element is {tree.tag}, expected annotation")
        return None
    return tree


def _parsed(data: bytes, name: str, notes: Notes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(data, ElementTree.XMLParser(target=_Guarded()))
    except (ElementTree.ParseError, ValueError, LookupError):
        # The parser knows no encodings like GBK; of text that is decoded already it does not heed what is stated.
        text = _as_stated(data) or decoded(data)
        # Bytes that are not UTF-8 are shown as \xNN; the rest of the file is as good as any.
        tree = ElementTree.fromstring(plain_text(text), ElementTree.XMLParser(target=_Guarded()))
        if not is_utf8(text):
            notes.add("name_not_utf8", name)
        return tree


def _as_stated(data: bytes) -> str:
    """The text in the encoding that the file says it has; empty where it says none, or has another."""
    stated = _ENCODING.match(data)
    if stated is None:
        return ""
    encoding = stated[1].decode("ascii").lower()
    try:
        # Files that state GB2312 or GBK hold characters of the larger set, which includes both.
        return data.decode("gb18030" if encoding.startswith("gb") else encoding)
    except (LookupError, ValueError):
        return ""


def _matched(
    trees: Mapping[Parts, ElementTree.Element], images: Sequence[Parts], notes: Notes
) -> Iterator[tuple[Parts, _Make]]:
    """The image of every XML file: that of its own name, else the one that it names: copies keep the name of what they
    were made of."""
    names, by_stem, folders = Names(images), _by_stem(images), {image[:-1] for image in images}
    own = {file: _own(file, by_stem, trees, folders) for file in trees}
    claims = Claims.of((file[:-1], image) for file, image in own.items() if image)
    for file, tree in trees.items():
        image = own[file] or _named(file, tree, names, claims, notes)
        if image:
            yield image, _Make(file, tree, notes)


def _by_stem(images: Sequence[Parts]) -> dict[str, list[Parts]]:
    found: dict[str, list[Parts]] = {}
    for image in images:
        found.setdefault(stem(image[-1]), []).append(image)
    return found


def _own(
    file: Parts, by_stem: Mapping[str, list[Parts]], listed: Collection[Parts], folders: Collection[Parts]
) -> Parts:
    """The one image of the XML file's own name; nothing where there are several, or where it is another file's: of
    another split, or with an XML file beside it while this one lies among other images."""
    split, here = split_of(file[:-1]), file[:-1]
    own = [image for image in by_stem.get(stem(file[-1]), []) if in_split(image, split)]
    if here in folders:
        own = [image for image in own if image[:-1] == here or (*image[:-1], file[-1]) not in listed]
    if len(own) > 1:
        own = [image for image in own if split_of(image[:-1]) == split] or own
        own = [image for image in own if image[:-1] == here] or own
    return own[0] if len(own) == 1 else ()


def _named(file: Parts, tree: ElementTree.Element, names: Names, claims: Claims, notes: Notes) -> Parts:
    text = _text(tree, "filename")
    if not text:
        return (stem(file[-1]),)
    match = names.find(text, beside=file[:-1], split=split_of(file[:-1]), claims=claims)
    if match.how in ("moved", "ambiguous", "outside"):
        notes.add(f"image_{match.how}", f"{shown(file)}: {text}")
    return match.file


def _text(element: ElementTree.Element, path: str) -> str:
    return (element.findtext(path) or "").strip()


@dataclass(slots=True)
class _Make:
    """Makes the objects of one XML file; `first` is the number of the first pixel."""

    file: Parts
    tree: ElementTree.Element
    notes: Notes
    first: float = 1.0

    def stated(self) -> tuple[float, float]:
        return number(_text(self.tree, "size/width")), number(_text(self.tree, "size/height"))

    def counts_from_zero(self) -> bool:
        return any(
            number(_text(item, f"bndbox/{side}")) == 0 for item in self.tree.findall("object") for side in _SIDES[:2]
        )

    def __call__(self, size: Size | None) -> list[dict[str, Any]]:
        return [self._object(place, item, size) for place, item in enumerate(self.tree.findall("object"), start=1)]

    def _object(self, place: int, item: ElementTree.Element, size: Size | None) -> dict[str, Any]:
        label = _text(item, "name")
        box = item.find("bndbox")
        corners = None if box is None else [number(_text(box, side)) for side in _SIDES]
        if corners is not None:
            corners = [corners[0] - self.first, corners[1] - self.first, corners[2], corners[3]]
        problem = "" if label else "no class"
        return drawn(f"{shown(self.file)}:{place}", label, box=corners, size=size, problem=problem)


def _splits(root: Path, files: Sequence[Parts], notes: Notes) -> dict[str, str]:
    """Split by name, of ImageSets/Main/train.txt, val.txt and test.txt."""
    known = {name for file in (*images_of(files), *with_suffix(files, ".xml")) for name in _called(file)}
    found: dict[str, str] = {}
    for file in with_suffix(files, ".txt"):
        split = split_of([stem(file[-1])])
        if not split or "imagesets" not in {folder.lower() for folder in file[:-1]}:
            continue
        try:
            lines = lines_of(root.joinpath(*file))
        except Unreadable as why:
            notes.add("file_corrupt", f"{shown(file)}: {why}")
            continue
        for line in filter(None, map(str.strip, lines)):
            if found.setdefault(_entry(line, known), split) != split:
                notes.add("split_twice", f"{shown(file)}: {line}")
    return found


def _called(file: Parts) -> Iterator[str]:
    """What a list may call a file: its path without suffix, and the ends of that, the longest first."""
    return (shown((*file[level:-1], stem(file[-1]))) for level in range(len(file)))


def _entry(line: str, known: Collection[str]) -> str:
    """The name in a line: all of it where there is such a file, else its first word ("a 1": it shows the class)."""
    for text in (line, line.split()[0]):
        name = text.replace("\\", "/").removeprefix("./")
        name = stem(name) if is_image_name(name) and name not in known else name
        if name in known:
            return name
    return line
