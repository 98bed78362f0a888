"""The documentation is held to the program: its code runs, its commands, options, keys and fields exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.cli import app
from snellen.described import OURS, by_requirement, everything
from snellen.recipe import Recipe, flatten
from snellen.values import Finding, Verdict

ROOT = Path(__file__).parents[1]
DOCS = (*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("README*.md")))
GUIDE = ROOT / "docs" / "guide.md"
RUNS = "# runs in the tests"
FILE = re.compile(r"# (parts/[\w/]+\.py)")
INVENTORY = {"T": 6, "D": 9, "M": 5, "L": 8, "S": 6, "E": 5, "V": 5}

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the documentation is not beside the tests")


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that begin with a file name are written; marked ones are run, in order, beside those files."""
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate(blocks(path, "python")):
        first, _, rest = text.partition("\n")
        file = FILE.fullmatch(first)
        if file:
            Path(file[1]).parent.mkdir(parents=True, exist_ok=True)
            Path(file[1]).write_text(rest, encoding="utf-8")
        code = compile(text, f"{path.name}[{number}]", "exec")
        if first == RUNS:
            exec(code, {"__name__": "__documentation__"})


def test_the_guide_and_the_architecture_have_code_that_runs() -> None:
    assert sum(text.startswith(RUNS) for path in DOCS for text in blocks(path, "python")) >= 4


def commands() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(app)
    return {
        name: {"--help", *(option for parameter in command.params for option in parameter.opts)}
        for name, command in group.commands.items()
    }


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    known = commands()
    every = set().union(*known.values())
    text = path.read_text(encoding="utf-8")
    code = [*re.findall(r"`([^`\n]+)`", text), *(line for part in blocks(path, r"\w*") for line in part.splitlines())]
    for line in code:
        line = line.partition(" # ")[0]
        options = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", line))
        verb = re.search(r"(?:^|[\s/])snellen ([a-z][a-z-]*)(?=\s|$)", line)
        if verb and not line.lstrip().startswith(("import", "from")):
            assert verb[1] in known, f"{path.name}: there is no command {verb[0].strip()!r}"
            assert options <= known[verb[1]], f"{path.name}: {line!r} has unknown options {options - known[verb[1]]}"
        elif line.lstrip().startswith("--"):
            assert options <= every, f"{path.name}: unknown options in {line!r}"


def test_the_guide_tells_every_option_of_run() -> None:
    told = set(re.findall(r"`(--[a-z][a-z0-9-]*)", GUIDE.read_text(encoding="utf-8")))
    options = {option for option in commands()["run"] if option.startswith("--")}
    assert options - {"--help"} <= told


def test_the_guide_names_every_recipe_key_and_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|", GUIDE.read_text(encoding="utf-8").partition("| key |")[2], re.MULTILINE)
    told = {name for row in rows[: rows.index("`improve.margin`") + 1] for name in re.findall(r"`([\w.]+)`", row)}
    keys = {re.sub(r"^stages\..*", "stages", key) for key in flatten(Recipe().plain())}
    assert told == {key.replace(".settings.smoothing", ".settings") for key in keys}


def test_the_json_example_has_the_fields_of_the_program(tmp_path: Path) -> None:
    """A case made of the example's own values must be told in the example's own fields."""
    from snellen.result import result

    (text,) = blocks(GUIDE, "json")
    example = json.loads(text)
    told = result(_case(example, tmp_path), None, _findings(example), tmp_path / "report.html", seconds=1.0)
    assert list(told) == list(example)
    assert set(example["test"]) <= set(told["test"])
    for name in ("findings", "verdicts", "artifacts", "gates"):
        assert [set(row) for row in told[name]] == [set(row) for row in example[name]], name
    assert told["test"]["accuracy"] == example["test"]["accuracy"]


def _findings(example: dict[str, Any]) -> list[Finding]:
    return [Finding(rule=row["rule"], severity=row["severity"], message="1") for row in example["findings"]]


def _case(example: dict[str, Any], folder: Path) -> Case:
    case = Case(folder)
    Catalog.of_rows([{"id": "s0", "target": "blue"}]).save(folder / "catalog.parquet")
    for row in example["verdicts"]:
        rest = {"baseline": "a", "candidate": "b", "level": 0.95, "samples": 15, "seeds": 2, "looks": 1}
        case.enter(Verdict(**row, **rest))
    artifacts = [
        {**row, "path": "model.onnx", "latency_ms": {"median": row["latency_ms"]}, "parity": {"max_abs": row["parity"]}}
        for row in example["artifacts"]
    ]
    final = {name: example[name] for name in ("test", "val_test", "leak", "gates")}
    case.write("final", {**final, "artifacts": artifacts})
    return case


def test_the_feature_table_has_every_requirement_once() -> None:
    rows = re.findall(
        r"^\| ([A-Z]\d) \| [^|]+ \| (built|partly|not yet)\b",
        (ROOT / "docs" / "features.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert [name for name, _ in rows] == [
        f"{letter}{n + 1}" for letter, count in INVENTORY.items() for n in range(count)
    ]


def test_the_feature_table_maps_requirements_to_parts() -> None:
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    _, _, told = text.partition("## Parts by requirement")
    assert by_requirement() in told, "the map is not what the parts say; run: python docs/map_features.py"


def test_every_part_of_a_technique_names_its_source() -> None:
    named = ("losses", "optimizers", "augments", "models", "decoders", "rules/catalog", "rules/run", "remedies")
    without = [f"{part.shelf}/{part.name}" for part in everything() if part.shelf in named and part.source == OURS]
    assert not without
    assert all(part.what and "\n" not in part.what for part in everything())


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"
