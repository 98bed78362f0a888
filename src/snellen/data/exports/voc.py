"""Pascal VOC: one XML file with boxes for every image, and lists of the splits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree as Tree

from snellen import store
from snellen.catalog import Catalog
from snellen.data.exports._select import Drawn, Exported, Sample, number, select, within_images
from snellen.values import SnellenError

TASKS = ("detection",)


def voc(catalog: Catalog, folder: Path) -> Exported:
    """`Annotations/….xml` (folders as in the catalog) and `ImageSets/Main/<split>.txt`.

    Pixels are counted from 1 and the last one belongs to the box, so that a box of 0, 0, 10, 10 is 1, 1, 10, 10; what
    reaches beyond the image is cut to it.
    Source: Everingham et al., The PASCAL VOC Challenge 2007, Development kit, section 8.
    """
    changed: Counter[str] = Counter()
    chosen = within_images(select(catalog, folder, name="voc", tasks=TASKS), changed)
    files: list[Path] = []
    for sample in chosen.samples:
        file = Path(folder) / "Annotations" / PurePosixPath(sample.path).with_suffix(".xml")
        if file in files[-1:] or file.exists():
            raise SnellenError(f"{sample.path} would share {file} with an image of another suffix; rename one of them")
        store.write_text(file, _document(sample))
        files.append(file)
    for split, samples in chosen.by_split().items():
        files.append(Path(folder) / "ImageSets" / "Main" / f"{split or 'all'}.txt")
        store.write_text(files[-1], "".join(f"{PurePosixPath(item.path).with_suffix('')}\n" for item in samples))
    return chosen.done(files, changed=changed)


def _document(sample: Sample) -> str:
    path = PurePosixPath(sample.path)
    root = Tree.Element("annotation")
    _text(root, folder="" if str(path.parent) == "." else path.parent, filename=path.name, path=path)
    _text(Tree.SubElement(root, "source"), database="Unknown")
    _text(Tree.SubElement(root, "size"), width=sample.width, height=sample.height, depth=3)
    _text(root, segmented=0)
    for item in sample.objects:
        _object(root, item)
    Tree.indent(root)
    return Tree.tostring(root, encoding="unicode") + "\n"


def _object(root: Tree.Element, item: Drawn) -> None:
    place = Tree.SubElement(root, "object")
    _text(place, name=item.label, pose="Unspecified", truncated=0, difficult=0)
    x0, y0, x1, y1 = item.box
    _text(Tree.SubElement(place, "bndbox"), xmin=number(x0 + 1), ymin=number(y0 + 1), xmax=number(x1), ymax=number(y1))


def _text(parent: Tree.Element, **values: object) -> None:
    for name, value in values.items():
        Tree.SubElement(parent, name).text = str(value)
