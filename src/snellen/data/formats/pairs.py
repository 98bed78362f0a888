"""Image pairs for restoration: a folder of wanted images (HR, GT) beside folders of given ones (LRx2, LRx4, noisy25), named alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from snellen.data.formats.names import split_in, split_of
from snellen.data.formats.notes import Notes
from snellen.data.formats.sample import Reading, Sample
from snellen.data.formats.tree import Parts, images_of, shown, stem

FORMAT = "image pairs"
TASKS = ("restoration",)
OWN = ()

_WANTED = re.compile(r"^(hr|hrs|gt|gts|hq|gtmod\d*|ground_?truths?)$")
_GIVEN = re.compile(
    r"^(lr|lrs|lq|lr_?x?\d|lrbi|bicubic|x[234568]|noisy\d*|noise\d+|jpeg\d+|blur(red)?|rain|rainy|hazy|haze)$"
)
# Words that could as well be classes: they count only where restoration was asked for.
_WANTED_ASKED = re.compile(r"^(clean|sharp|target|targets|original|high|wanted)$")
_GIVEN_ASKED = re.compile(r"^(input|inputs|degraded|corrupted|low|given|source)$")
_SCALE = re.compile(r"(?<=\d)[_-]?x\d$|[_-](hr|lr|gt|lq|noisy|clean)$", re.IGNORECASE)

Key = tuple[str, tuple[str, ...], str]


def detect(root: Path, files: Sequence[Parts]) -> str | None:
    """ "image pairs" where most images of some folder of given ones have a counterpart among the wanted."""
    wanted, given = _by_role(images_of(files), asked=False)
    return FORMAT if any(2 * len(keys.keys() & wanted.keys()) >= len(keys) for keys in given.values()) else None


def read_pairs(
    root: Path, name: str, files: Sequence[Parts], *, task: str | None = None, only: Parts | None = None
) -> Reading:
    """The given images of one folder with their wanted ones. Of several folders (two scales, noise) the one with most pairs
    is read, the first by name where they have as many; the others are told. To read another, name that folder.
    """
    notes = Notes()
    wanted, given = _by_role(images_of(files), asked=task == "restoration")
    if not wanted or not given:
        return Reading(tasks=TASKS, format=FORMAT, samples=())
    pairs = {role: len(keys.keys() & wanted.keys()) for role, keys in given.items()}
    chosen = _named(only, given) or max(sorted(given), key=lambda role: pairs[role])
    for role in sorted(set(given) - {chosen}):
        notes.add("format_ignored", f"{role} ({len(given[role])} images)")
    samples = []
    for key, image in given[chosen].items():
        if key in wanted:
            samples.append(Sample(root, shown(image), split=key[0], source=name, pair=shown(wanted[key])))
        else:
            notes.add("pair_missing", shown(image))
    for key in sorted(wanted.keys() - given[chosen].keys()):
        notes.add("pair_unused", shown(wanted[key]))
    return Reading(tasks=TASKS, format=f"{FORMAT} ({chosen})", samples=samples, notes=notes.listed())


def folder_above(root: Path) -> Path | None:
    """The folder that holds both, where `root` is itself a folder of given images with one of wanted images beside it."""
    if not _GIVEN.match(root.name.lower()):
        return None
    beside = [item.name for item in root.parent.iterdir() if item.is_dir()]
    return root.parent if any(_role(word, False) == "wanted" for word in beside) else None


def wanted_of(images: Sequence[Parts]) -> frozenset[Parts]:
    """The wanted images, where there are folders of both kinds; none where images have no roles."""
    wanted, given = _by_role(images, asked=False)
    return frozenset(wanted.values()) if wanted and given else frozenset()


def _named(only: Parts | None, given: Mapping[str, Mapping[Key, Parts]]) -> str | None:
    return next((role for role in given if only and role == shown(only)), None)


def _by_role(images: Sequence[Parts], *, asked: bool) -> tuple[dict[Key, Parts], dict[str, dict[Key, Parts]]]:
    """Wanted images by key, and those of every folder of given ones.

    The key is the split, the folders that say neither role nor split, and the name without a scale (0001x2).
    """
    wanted: dict[Key, Parts] = {}
    given: dict[str, dict[Key, Parts]] = {}
    for image in images:
        roles = [_role(word, asked) for word in image[:-1]]
        split = split_of(image[:-1]) or next(filter(None, map(split_in, image[:-1])), "")
        rest = tuple(word for word, role in zip(image[:-1], roles, strict=True) if not role and split_of([word]) == "")
        key = (split, rest, _SCALE.sub("", stem(image[-1])))
        if "given" in roles:
            named = (word for word, role in zip(image[:-1], roles, strict=True) if role == "given")
            given.setdefault("/".join(_without_split(word) for word in named), {})[key] = image
        elif "wanted" in roles:
            wanted[key] = image
    return wanted, given


def _role(word: str, asked: bool) -> str:
    """given, wanted or nothing for one folder; DIV2K_train_LR_bicubic says it with one word of several."""
    for part in (word.lower(), *re.split(r"[_-]", word.lower())):
        if _GIVEN.match(part) or (asked and _GIVEN_ASKED.match(part)):
            return "given"
        if _WANTED.match(part) or (asked and _WANTED_ASKED.match(part)):
            return "wanted"
    return ""


def _without_split(word: str) -> str:
    return "_".join(part for part in word.split("_") if not split_of([part]))
