"""The audit's score on a made-up folder: what counts as found, as right and as wrong, and in which half."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import _audit_objects
import _audit_page
import _planted as planted
import _results
import audit
from _planted import Flags
from snellen.catalog import Catalog
from snellen.values import Finding

FLIPS = [f"train/cat/flip_{number}.png" for number in range(4)]
COPY = {"type": "exact_duplicate", "path": "train/cat/copy.png", "source": "train/cat/first.png"}
LEAKS = [
    {"type": f"{sort}_duplicate_across_splits", "path": f"val/cat/{sort}.png", "source": f"train/cat/{sort}.png"}
    for sort in ("exact", "near")
]
OTHER_LABEL = {"type": "duplicate_with_conflicting_label", "path": "train/cat/two.png", "source": "train/dog/one.png"}
MARKED = [f"train/dog/marked_{number}.png" for number in range(4)]
MARKER = {"type": "shortcut_marker", "given_class": "dog", "paths": MARKED}
FAULTS = [
    *({"type": "label_flip", "path": path} for path in FLIPS),
    COPY,
    *LEAKS,
    OTHER_LABEL,
    {"type": "blank", "path": "train/dog/blank.png"},
    *({"type": "dark", "path": f"train/dog/dark_{number}.png"} for number in range(2)),
    MARKER,
    {"type": "zero_area_box", "annotation_id": 7},
]
PLAIN = [f"train/dog/plain_{number}.png" for number in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / planted.FAULTS).write_text(json.dumps({"source": "made up", "faults": FAULTS}))
    return tmp_path


def score(kind: str, flagged: list[str], half: str, **known: object) -> dict:
    faults = planted.faults_of(FAULTS)
    return planted.tally(kind, faults, flagged, half=half, sides=planted.dealt(PLAIN), **known).plain()


def test_instances_take_turns_and_a_single_one_stands_in_both(folder: Path) -> None:
    faults = planted.read_faults(folder)
    halves = {fault.paths[0]: fault.halves for fault in faults}
    assert [halves[path] for path in FLIPS] == [(0,), (1,), (0,), (1,)]
    assert halves["train/cat/copy.png"] == (0, 1)
    assert "zero_area_box" not in {fault.kind for fault in faults}
    assert planted.kinds_in(folder)["zero_area_box"] == [{"type": "zero_area_box", "annotation_id": 7}]


def test_each_half_sees_its_own_instances_and_its_own_false_flags() -> None:
    # Of the false flags the plain samples 0 and 2 are dealt to the even half, 1 to the odd one.
    flagged = [FLIPS[0], FLIPS[1], FLIPS[3], *PLAIN[:3]]
    even, odd, both = (score("label_flip", flagged, half) for half in ("even", "odd", "all"))
    assert (even["planted"], even["found"], even["flagged"], even["recall"]) == (2, 1, 3, 0.5)
    assert even["precision"] == pytest.approx(1 / 3)
    assert (odd["planted"], odd["found"], odd["flagged"], odd["recall"]) == (2, 2, 3, 1.0)
    assert odd["precision"] == pytest.approx(2 / 3)
    assert (both["planted"], both["found"], both["flagged"], both["precision"]) == (4, 3, 6, 0.5)


def test_nothing_flagged_has_no_precision() -> None:
    assert score("dark", [], "all") | {"recall": 0.0, "precision": None} == score("dark", [], "all")


@pytest.mark.parametrize("flagged", ["train/cat/copy.png", "train/cat/first.png"])
def test_a_copy_is_found_by_either_of_its_samples(flagged: str) -> None:
    found = score("exact_duplicate", [flagged], "odd")
    assert (found["found"], found["right"], found["flagged"]) == (1, 1, 1)
    both = score("exact_duplicate", ["train/cat/copy.png", "train/cat/first.png"], "odd")
    assert (both["found"], both["right"], both["precision"]) == (1, 2, 1.0)


def test_samples_of_kindred_kinds_count_neither_way() -> None:
    leaks = [item["source"] for item in LEAKS]
    assert score("exact_duplicate_across_splits", leaks, "all")["flagged"] == 1
    assert score("dark", ["train/dog/blank.png", "train/dog/dark_1.png"], "all")["flagged"] == 1
    assert score("blank", ["train/dog/blank.png", "train/dog/dark_1.png"], "odd")["right"] == 1
    assert score("label_flip", [OTHER_LABEL["path"], FLIPS[0]], "even")["precision"] == 1.0
    # A dark image is not blank: that is a false flag, of the odd half unless it was dealt.
    assert score("blank", ["train/dog/dark_1.png"], "odd")["precision"] == 0.0


def test_a_false_flag_that_the_original_has_too_is_told() -> None:
    found = score("dark", [PLAIN[1], PLAIN[3]], "odd", original={"plain_3.png"})
    assert (found["flagged"], found["also_in_original"]) == (2, 1)


@pytest.mark.parametrize(
    ("text", "samples", "found", "precision"),
    [
        ("a spot in 'dog'", [*MARKED[:2], *PLAIN[:2]], 1, 1.0),
        ("a spot in 'dog'", [*MARKED[:2], *PLAIN[:3]], 0, 0.0),
        ("a spot in 'cat'", MARKED, 0, 0.0),
        ("a spot in 'dog'", [], 0, 0.0),
    ],
)
def test_a_marker_is_found_with_its_class_and_mostly_its_samples(
    text: str, samples: list[str], found: int, precision: float
) -> None:
    tally = planted.tally_marker(planted.faults_of(FAULTS), [(text, frozenset(samples))], half="odd")
    assert (tally.planted, tally.found, tally.precision) == (1, found, precision)


def test_the_order_of_labels() -> None:
    faults = planted.faults_of(FAULTS)
    paths = [*FLIPS, OTHER_LABEL["path"], *PLAIN]
    worst_first = [0.1, 0.2, 0.3, 0.4, 0.0, *(0.9,) * 6]
    best = planted.ranking(faults, paths, worst_first, half="all", sides=planted.dealt(PLAIN))
    assert best == {"planted": 4, "of": 10, "average_precision": 1.0, "recall_at_0.6": 1.0}
    # Without a judgement a sample comes last: three flips first, then six others, then the fourth.
    unknown = [0.1, 0.2, 0.3, float("nan"), 0.0, *(0.9,) * 6]
    part = planted.ranking(faults, paths, unknown, half="all", sides=planted.dealt(PLAIN))
    assert part["average_precision"] == pytest.approx((3 + 4 / 10) / 4)
    assert part["recall_at_0.6"] == 0.75
    odd = planted.ranking(faults, paths, worst_first, half="odd", sides=planted.dealt(PLAIN))
    assert (odd["planted"], odd["of"]) == (2, 5)


def test_pairs_of_a_peer_are_sorted_by_split_and_class() -> None:
    pairs = [
        ("train/cat/a.png", "train/cat/b.png"),
        ("train/cat/c.png", "val/cat/d.png"),
        ("train/cat/e.png", "train/dog/f.png"),
    ]
    assert planted.paired(pairs, "exact_duplicate") == frozenset(pairs[0])
    assert planted.paired(pairs, "near_duplicate_across_splits") == frozenset(pairs[1])
    assert planted.paired(pairs, "duplicate_with_conflicting_label") == frozenset(pairs[2])
    assert planted.split_of("images/val/x.jpg") == "val"


def peers() -> dict:
    nothing = {"exact_duplicates": [], "near_duplicates": []}
    return {
        "cleanvision": {"issues": {"dark": [PLAIN[0]], "light": []}, "pairs": nothing, "refused": []},
        "imagededup": {"pairs": {**nothing, "near_duplicates": [[LEAKS[1]["path"], LEAKS[1]["source"]]]}},
        "cleanlab": {"wrong": [FLIPS[1]], "quality": [0.5] * 4},
    }


def test_a_peer_that_cannot_try_a_kind_says_nothing_of_it() -> None:
    flags = audit.peer_flags(peers())
    assert flags["cleanvision"].samples["dark"] == {PLAIN[0]}
    assert "label_flip" not in flags["cleanvision"].samples
    assert flags["imagededup"].samples["near_duplicate_across_splits"] == {LEAKS[1]["path"], LEAKS[1]["source"]}
    assert flags["imagededup"].samples["exact_duplicate_across_splits"] == set()
    assert flags["cleanlab"].samples == {"label_flip": {FLIPS[1]}}


def findings() -> list[dict]:
    return [
        {"rule": "label_noise", "severity": "warn", "message": "m", "samples": [FLIPS[1], PLAIN[1]]},
        {"rule": "dark_images", "severity": "info", "message": "m", "samples": ["train/dog/dark_1.png"]},
        {"rule": "shortcut_marker", "severity": "warn", "message": "a spot in 'dog'", "samples": MARKED},
    ]


def made(folder: Path) -> audit.Audited:
    paths = [*FLIPS, *PLAIN]
    rows = [{"id": p, "path": p, "target": Path(p).parent.name, "split": "train"} for p in paths]
    catalog = Catalog.of_rows(rows).with_columns({"label_quality": [0.5] * len(paths)})
    return audit.Audited(folder, findings(), (), catalog, {"read": 1.0, "probe this machine": 5.0}, intact=True)


def test_the_page_says_what_each_tool_found(folder: Path) -> None:
    item = made(folder)
    faults = planted.read_faults(folder)
    flags = {"snellen": audit.our_flags(item.findings), **audit.peer_flags(peers())}
    rows = audit.scored(item, faults, flags, "odd", {"snellen": Flags({"label_flip": {PLAIN[1]}}, {})})
    told = {
        "task": "classification", "images": item.images, "intact": True, "seconds": {"snellen": item.seconds},
        "kinds": rows, "rankings": {},
    }  # fmt: skip
    text = _audit_page.printed("made_faults", told)
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "| 2 | 0.50 / 0.50 (1 of 2, 1 in the original) |" in lines["label_flip"]
    assert "| 1 | 1.00 / 1.00 (1 of 1) | - | - | - |" in lines["shortcut_marker"]
    assert "zero_area_box" not in lines
    # The probe of the machine is left out: one second for ten images.
    assert "byte-identical afterwards; 100.0 s per 1000 images" in text
    assert audit.alarms(item, {})["snellen"] == {"any": 60.0, "label_noise": 20.0, "shortcut_marker": 40.0}
    assert audit.alarms(item, {})["snellen, info"] == {"any": 10.0, "dark_images": 10.0}


def test_the_page_holds_the_scores_against_the_goals(folder: Path) -> None:
    item = made(folder)
    faults = planted.read_faults(folder)
    rows = audit.scored(item, faults, {"snellen": audit.our_flags(item.findings)}, "odd", {})
    orders = {"snellen (label_quality)": (0.75, 2), "cleanlab": (0.5, 2), "cleanlab, calm head": (0.8, 2)}
    told = {
        "task": "classification", "images": 10, "intact": True, "seconds": {"snellen": {"read": 1.0}}, "kinds": rows,
        "rankings": {
            tool: {"planted": n, "of": 10, "average_precision": value, "recall_at_0.6": 1.0}
            for tool, (value, n) in orders.items()
        },
    }  # fmt: skip
    clean = {**told, "alarms": audit.alarms(item, {})}
    clean.pop("kinds")
    about = dict.fromkeys(("processor", "machine", "system", "cores", "memory_gb", "python", *_results.LIBRARIES), "x")
    page = _audit_page.render(
        {"half": "odd", "command": "c", "environment": about, "folders": {"a_faults": told, "a": clean}}
    )
    assert "| label_flip | 2 | 0.50 / 0.50 (1 of 2) | ≥ 0.80 / ≥ 0.60 | not met |" in page
    assert "| shortcut_marker | 1 | 1.00 / 1.00 (1 of 1) | ≥ 1.00 / ≥ 0.00 | met |" in page
    assert "| label_flip, average precision in a_faults | 2 | 0.75 | > 0.80 (cleanlab) | not met |" in page
    assert "| snellen | label_noise | 20.00 |" in page


def test_rows_of_another_script_are_added_up_over_the_halves() -> None:
    told = [
        {"kind": "eroded", "planted": 4, "named": 3, "any": 4, "flagged": 5, "precision": 0.6},
        {"kind": "eroded", "planted": 4, "named": 1, "any": 4, "flagged": 3, "precision": 0.333},
        {"kind": "missing_box", "planted": 2, "found": 2, "flagged": 3, "precision": 1.0},
    ]
    eroded, missing = _audit_objects.together(told, {"eroded": "eroded_masks"})
    assert (eroded["kind"], eroded["rules"]) == ("eroded", ["eroded_masks"])
    assert (eroded["tools"]["snellen"]["recall"], eroded["tools"]["snellen"]["precision"]) == (0.5, 0.5)
    assert (missing["tools"]["snellen"]["found"], missing["tools"]["snellen"]["precision"]) == (2, 1.0)


def test_masks_and_boxes_are_scored_from_what_the_audit_told(tmp_path: Path) -> None:
    boxes = [{"type": "zero_area_box", "image": "a.jpg", "annotation_id": number} for number in range(4)]
    faults = [*({"type": "eroded", "mask": f"masks/train/{name}.png"} for name in "abcd"), *boxes]
    (tmp_path / planted.FAULTS).write_text(json.dumps({"faults": faults}))
    paths = [f"images/train/{name}.jpg" for name in "abcdefgh"]
    catalog = Catalog.of_rows([{"id": path, "path": path} for path in paths])
    objects = [{"sample": paths[0], "key": key, "what": "zero area"} for key in ("1", "3", "9", "8")]
    told = [
        Finding(rule="eroded_masks", severity="warn", message="m", samples=(paths[0], paths[1], paths[5])),
        Finding(rule="zero_area_boxes", severity="warn", message="m", evidence={"objects": objects}),
    ]
    found = {row["kind"]: row["tools"]["snellen"] for row in _audit_objects.rows(tmp_path, told, catalog, "odd")}
    assert (found["eroded"]["planted"], found["eroded"]["found"], found["eroded"]["recall"]) == (2, 1, 0.5)
    zero = found["zero_area_box"]
    assert (zero["planted"], zero["found"], zero["right"], zero["flagged"]) == (2, 2, 2, 3)


def test_a_changed_folder_is_noticed(tmp_path: Path, photos) -> None:
    images = photos(tmp_path / "images", each=2)
    before = planted.fingerprint(images)
    copy = shutil.copytree(images, tmp_path / "copy")
    assert planted.fingerprint(copy) == before
    first = next(copy.rglob("*.png"))
    first.write_bytes(first.read_bytes() + b" ")
    assert planted.fingerprint(copy) != before


def test_a_folder_is_audited_and_left_as_it_was(tmp_path: Path, photos) -> None:
    images = photos(tmp_path / "images", each=12)
    item = audit.audited(images)
    assert item.intact
    assert item.images == 24
    assert {"read", "decode and measure"} <= set(item.seconds)
    # Labels of validation and test are judged too, by what training teaches.
    assert len(audit.judged(item.catalog)) == 24
    assert set(audit.alarms(item, {})) == {"snellen", "snellen, info"}
