"""The house rules, read off the syntax trees: floors, cycles, sizes, names. Nothing of the house is imported here."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "src" / "snellen"
FILES = sorted(HOUSE.rglob("*.py"))

TOP = (
    "cli", "cli_call", "cli_data", "cli_experiments", "cli_options", "experiments", "show_experiments", "cli_augment",
    "policy", "testing", "testing_losses", "cases", "healthy", "verbs", "prepare", "opening",
    "curate", "inference", "validation", "second_opinion", "survey", "ending", "derived", "soup", "pick", "temper", "result",
    "entry", "show", "show_answer", "described", "progress", "__main__", "__init__",
)  # fmt: skip
# A room is a folder, or a file that lies in no room.
FLOORS = (
    ("values", "shelf", "store"),
    ("recipe", "recipe_sections", "recipe_keys", "catalog", "annotations", "rows", "run", "case", "parts"),
    ("tasks", "data", "advise", "budget", "foreign"),
    ("train", "rules", "remedies", "record"),
    ("examine", "improve", "ship", "report"),
    TOP,
)
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
# What may meet on one floor: the values below everything, the files that tell of a run, and the top.
NOUNS = {
    "values",
    "shelf",
    "store",
    "recipe",
    "recipe_sections",
    "recipe_keys",
    "catalog",
    "annotations",
    "rows",
    "run",
    "case",
}
MEETINGS = {("improve", "examine"), ("advise", "budget"), ("tasks", "advise"), ("tasks", "budget"), ("tasks", "data")}
NO_TORCH = {
    "values",
    "shelf",
    "recipe",
    "recipe_sections",
    "recipe_keys",
    "catalog",
    "annotations",
    "rows",
    "run",
    "case",
    "advise",
    "examine",
    "report",
    "rules",
    "remedies",
    "foreign",
    "record",
    "cli",
    "cli_augment",
    "cli_call",
    "cli_data",
    "cli_experiments",
    "cli_options",
}
HEAVY = ("torch", "torchvision", "timm", "safetensors", "torchmetrics", "onnx", "onnxruntime")
FOR_REPORT = {"values", "store", "rows", "run", "case", "catalog", "annotations", "recipe", "shelf", "report"}
MOST_LINES, GUIDE_LINES, GUIDE_FUNCTION = 400, 350, 50
VAGUE = {"utils", "util", "manager", "helper", "helpers", "handler", "base"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module(path: Path) -> str:
    parts = path.relative_to(HOUSE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {module(path): path for path in FILES}


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports(path: Path, *, top: bool = False) -> Iterator[tuple[str, int]]:
    """Dotted names of all that is imported (a module, or a module and the name taken from it), with the line."""
    body = tree(path)
    for node in body.body if top else ast.walk(body):
        if isinstance(node, ast.Import):
            yield from ((item.name, node.lineno) for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are written in full, not relative"
            yield from ((f"{node.module}.{item.name}", node.lineno) for item in node.names)


def target(name: str) -> str | None:
    """The house's module that an imported name stands for or lies in."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return None if name in ("", "snellen") else name


def ours(path: Path, *, top: bool = False) -> Iterator[tuple[str, int]]:
    for name, line in imports(path, top=top):
        if name == "snellen" or name.startswith("snellen."):
            found = target(name)
            if found is not None:
                yield found, line


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_has_a_floor() -> None:
    unknown = sorted({room(name) for name in MODULES} - set(FLOOR))
    assert not unknown, f"no floor is known for {', '.join(unknown)}; see DESIGN §2 and FLOORS"


def test_imports_go_down_only() -> None:
    wrong = []
    for name, path in MODULES.items():
        here = room(name)
        for other, line in ours(path):
            there = room(other)
            same = FLOOR[there] == FLOOR[here]
            meets = (
                there == here or (here, there) in MEETINGS or {here, there} <= NOUNS or FLOOR[here] == len(FLOORS) - 1
            )
            if FLOOR[there] > FLOOR[here] or (same and not meets):
                wrong.append(f"{shown(path)}:{line} imports {other} (floor {FLOOR[here]} → {FLOOR[there]})")
    assert not wrong, "\n".join(wrong)


def test_no_import_cycles() -> None:
    graph = {name: {other for other, _ in ours(path, top=True)} - {name} for name, path in MODULES.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_parts_know_nothing_of_the_house() -> None:
    """But what is private to their shelf, or to all parts."""
    wrong = []
    for path in (HOUSE / "parts").rglob("*.py"):
        near = (module(path).rpartition(".")[0], "snellen.parts")
        for other, line in ours(path):
            package, _, name = other.rpartition(".")
            if not (package in near and name.startswith("_")):
                wrong.append(f"{shown(path)}:{line} imports {other}")
    assert not wrong, "\n".join(wrong)


def test_rules_and_remedies_never_see_training() -> None:
    wrong = [
        f"{shown(path)}:{line} imports {other}"
        for path in FILES
        if room(module(path)) in ("rules", "remedies")
        for other, line in ours(path)
        if room(other) in ("train", "improve", "parts")
    ]
    assert not wrong, "\n".join(wrong)


def test_the_report_reads_files_only() -> None:
    wrong = [
        f"{shown(path)}:{line} imports {other}"
        for path in FILES
        if room(module(path)) == "report"
        for other, line in ours(path)
        if room(other) not in FOR_REPORT
    ]
    assert not wrong, "\n".join(wrong)


def test_only_what_trains_or_ships_imports_torch_at_the_top() -> None:
    wrong = [
        f"{shown(path)}:{line} imports {name}"
        for path in FILES
        if room(module(path)) in NO_TORCH
        for name, line in imports(path, top=True)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_reached_from_recipe_catalog_and_run_imports_torch() -> None:
    seen: set[str] = set()
    waiting = ["snellen.recipe", "snellen.catalog", "snellen.run", "snellen.case", "snellen.examine"]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [other for other, _ in ours(MODULES[name], top=True)]
            found = [item for item, _ in imports(MODULES[name], top=True) if item.split(".")[0] in HEAVY]
            assert not found, f"{name} imports {found}"


def test_the_loop_its_proof_and_the_page_name_no_task() -> None:
    tasks = {path.stem for path in (HOUSE / "tasks").glob("[a-z]*.py")} | {"multilabel", "detection", "restoration"}
    bound = [
        path for path in FILES if path.parent.name in ("train", "improve") or shown(path).endswith("report/page.py")
    ]
    bad = [
        f"{shown(path)}:{node.lineno} {node.value}"
        for path in bound
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in tasks
    ]
    assert len(bound) > 80
    assert not bad


def test_no_star_imports() -> None:
    assert not [shown(path) for path in FILES for name, _ in imports(path) if name.endswith(".*")]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_open_settings_in_public_functions() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno} {node.name}(**{node.args.kwarg.arg})"
        for path in FILES
        for node in functions(path)
        if node.args.kwarg is not None and not node.name.startswith("_") and not private(path)
    ]
    assert not wrong, "\n".join(wrong)


def private(path: Path) -> bool:
    return path.stem.startswith("_") and path.stem not in ("__init__", "__main__")


def test_files_are_not_too_long() -> None:
    sizes = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    longest = sorted(sizes.items(), key=lambda item: -item[1])
    median = sorted(sizes.values())[len(sizes) // 2]
    print(f"{len(sizes)} files, median {median} lines; longest:")
    print("\n".join(f"{size:5d}  {name}" for name, size in longest[:8]))
    print("above the guide:", [name for name, size in longest if size > GUIDE_LINES] or "none")
    assert not [name for name, size in longest if size > MOST_LINES]


def test_functions_are_not_too_long() -> None:
    def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        return (node.end_lineno or node.lineno) - node.lineno + 1

    sizes = {f"{shown(path)}:{node.name}": lines(node) for path in FILES for node in functions(path)}
    above = {name: size for name, size in sizes.items() if size > GUIDE_FUNCTION}
    print(
        f"{len(sizes)} functions, median {sorted(sizes.values())[len(sizes) // 2]} lines; above the guide: {above or 'none'}"
    )
    assert all(size <= 2 * GUIDE_FUNCTION for size in sizes.values()), above


def words(name: str) -> set[str]:
    return {word.lower() for part in name.split("_") for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", part)}


def test_names_say_something() -> None:
    wrong = [shown(path) for path in FILES if words(path.stem) & VAGUE]
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and words(node.name) & VAGUE:
                wrong.append(f"{shown(path)}:{node.lineno} {node.name}")
    assert not wrong, "\n".join(wrong)


def test_nothing_depends_on_one_machine() -> None:
    """No path of a developer's disk in code, tests, documents or settings."""
    places = re.compile(r"(?<![\w.$])/(?:" + "|".join(("work", "home", "Users", "root", "mnt")) + r")/\w")
    texts = [
        path
        for pattern in (
            "src/**/*.py",
            "tests/**/*.py",
            "bench/**/*",
            "docs/**/*",
            "*.md",
            "*.toml",
            "Makefile",
            ".ci/*",
        )
        for path in ROOT.glob(pattern)
        if path.is_file() and path.suffix not in (".png", ".svg", ".npz", ".pyc", ".parquet")
    ]
    wrong = [
        f"{shown(path)}:{number}: {line.strip()[:100]}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if places.search(line)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_module_says_what_it_is(path: Path) -> None:
    empty = not path.read_text(encoding="utf-8").strip()
    assert empty or ast.get_docstring(tree(path)), f"{shown(path)} has no docstring"


def test_only_the_store_writes() -> None:
    """`open` for writing, `write_text` and the like appear in the store and in what says why it needs its own."""
    allowed = {
        "store.py",
        "data/pixels.py",  # Streams gigabytes into one file, builds aside and renames.
        "data/planted.py",  # Two thousand demo images that can be made again at any time.
    }
    wrong = []
    for path in FILES:
        name = path.relative_to(HOUSE).as_posix()
        for node in ast.walk(tree(path)) if name not in allowed else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                value = node.func.value
                of_store = isinstance(value, ast.Name) and value.id == "store"
                if node.func.attr in ("write_text", "write_bytes") and not of_store:
                    wrong.append(f"{name}:{node.lineno} {node.func.attr}")
    assert not wrong, "\n".join(wrong)
