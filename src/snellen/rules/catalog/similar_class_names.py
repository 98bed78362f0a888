"""What it does
Compares class names with each other: names that are the same but for case, spaces, punctuation, accents or the English
plural, and names of which the rarer one differs from the other by a single slip of the keyboard.

Why it matters
`T-shirt` and `t_shirt` are two classes to a model: each has half of the images, and every mistake between them is counted.

Known problems
Only what is nearly certain is told. Synonyms (`sofa`, `couch`), several slips, and names of fewer than six letters with a
slip are not seen. Names that differ by a digit are taken for different on purpose.

Source
SPEC D5; slips of one letter as in Damerau 1964, doi:10.1145/363958.363994.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import combinations

import numpy as np

from snellen.annotations import Objects
from snellen.catalog import Catalog
from snellen.values import Finding

# A slip counts only in names this long, and only where the slipped name is this much rarer than the other.
LETTERS, RARER = 6, 0.25

FIRES = (
    {"catalog": {"target": ["T-shirt"] * 3 + ["t_shirt"] * 2 + ["coat"]}},
    {"catalog": {"target": ["apples"] * 3 + ["apple"] * 2}},
    {"catalog": {"target": ["vehicle"] * 8 + ["vehcile"]}},
    {
        "catalog": {"objects": [[{"label": "Car", "box": [0, 0, 2, 2]}], [{"label": "car", "box": [0, 0, 2, 2]}]]},
        "about": {"task": "detection"},
    },
    {"catalog": {"target": ["", ""]}, "about": {"task": "segmentation", "classes": {"1": "leaf", "2": "Leaf "}}},
)
SILENT = (
    {"catalog": {"target": ["cat", "car", "glass", "gas"]}},
    {"catalog": {"target": ["class_1"] * 9 + ["class_2"]}},
    # Both are frequent: two words, not a slip.
    {"catalog": {"target": ["marten"] * 5 + ["martin"] * 5}},
    {"catalog": {"target": ["parrot"] * 50 + ["carrot"] * 2}},
)


def similar_class_names(catalog: Catalog) -> list[Finding]:
    """One finding with all pairs; its samples are the images of the rarer name of every pair."""
    counts = _counts(catalog)
    pairs = sorted(_same(counts) | _slips(counts))
    if not pairs:
        return []
    words = ", ".join(f"{a!r} ({counts[a]}) and {b!r} ({counts[b]})" for a, b in pairs[:5])
    more = f" and {len(pairs) - 5} more" if len(pairs) > 5 else ""
    message = (
        f"{len(pairs)} {'pairs of class names mean' if len(pairs) > 1 else 'pair of class names means'} the same by all "
        f"appearances: {words}{more}. Join them, or give them names that tell them apart."
    )
    rarer = {min(pair, key=lambda name: (counts[name], name)) for pair in pairs}
    targets = catalog.column("target").astype(str)
    samples = tuple(sample for sample, name in zip(catalog.ids, targets, strict=True) if name in rarer)
    evidence = {"count": len(pairs), "pairs": [list(pair) for pair in pairs], "classes": len(counts), "named": words}
    return [
        Finding(rule="similar_class_names", severity="warn", message=message, evidence=evidence, samples=samples[:200])
    ]


def _counts(catalog: Catalog) -> Counter[str]:
    """How often every class name is used, whatever the annotations are; names that are only declared count 0."""
    declared = catalog.about("classes") or ()
    names = declared.values() if isinstance(declared, dict) else declared
    counts = Counter({str(name): 0 for name in names})
    counts.update(catalog.column("target").astype(str).tolist())
    if catalog.has("labels"):
        counts.update(str(name) for labels in catalog.table.column("labels").to_pylist() for name in labels or ())
    if catalog.has("objects"):
        found, number = np.unique(Objects.of(catalog).label, return_counts=True)
        counts.update(dict(zip(found.tolist(), number.tolist(), strict=True)))
    del counts[""]
    return counts


def _same(counts: Counter[str]) -> set[tuple[str, str]]:
    """Pairs that are written alike but for case, signs and the plural."""
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault(_singular(_plain(name)), []).append(name)
    return {pair for key, names in groups.items() if key for pair in combinations(sorted(names), 2)}


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(sign for sign in text if not unicodedata.combining(sign))
    # What separates two numbers ("1-2", "12") is not decoration; a sign of meaning ("C", "C++") is not either.
    return re.sub(r"(?<!\d)[\s_.\-/']+|[\s_.\-/']+(?!\d)", "", letters)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(?:s|x|z|ch|sh|o)es$", word):
        return word[:-2]
    return word[:-1] if len(word) > 3 and re.search(r"[^siu]s$", word) else word


def _slips(counts: Counter[str]) -> set[tuple[str, str]]:
    """Pairs of long names that differ by one letter changed, left out or doubled, or by two neighbours swapped."""
    found: set[tuple[str, str]] = set()
    near: dict[str, list[str]] = {}
    for name in counts:
        word = _plain(name)
        if len(word) >= LETTERS:
            # Names one slip apart share a form with one letter left out: no need to compare all with all.
            for form in {word, *(word[:i] + word[i + 1 :] for i in range(1, len(word)))}:
                near.setdefault(form, []).append(name)
    for names in near.values():
        for one, other in combinations(sorted(names), 2):
            few, many = sorted((counts[one], counts[other]))
            if few <= RARER * many and _slip(_plain(one), _plain(other)):
                found.add((one, other))
    return found


def _slip(one: str, other: str) -> bool:
    if one[0] != other[0] or re.sub(r"\D", "", one) != re.sub(r"\D", "", other) or one == other:
        return False
    short, long = sorted((one, other), key=len)
    same = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    rest, tail = short[same:], long[same:]
    swapped = rest[:2] == tail[:2][::-1] and rest[2:] == tail[2:]
    return rest == tail[1:] or (len(short) == len(long) and (rest[1:] == tail[1:] or swapped))
