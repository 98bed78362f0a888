"""The laws of the shelves, public so that the author of a part can check it: `check_rule(RUN_RULES, "mine")`.

A law that does not hold raises AssertionError with what was seen and what was expected.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from snellen.cases import Case, catalog_of, recipe_of, recorded
from snellen.catalog import MissingSignal
from snellen.healthy import HEALTHY
from snellen.recipe import Recipe
from snellen.rows import Rows
from snellen.rows import read as read_rows
from snellen.shelf import AUGMENTS, CATALOG_RULES, REMEDIES, RUN_RULES, SCHEDULES, TASKS, Shelf
from snellen.testing_losses import check_loss as check_loss
from snellen.values import QUESTION, Finding, Remedy

SECTIONS = ("What it does", "Why it matters", "Known problems", "Source")
# What a task's class holds, beside `metrics` and `output`; docs/architecture.md, section 3, says what each does.
CONTRACT = (
    "classes", "fit", "known", "target", "model", "loss", "predict", "rows", "paired", "score", "measure", "guess", "sizes",
    "advise", "answer", "same", "preparation", "example",
)  # fmt: skip
# Rules that remedies may answer before they are on a shelf.
ANNOUNCED = ("label_noise",)


def check_rule(shelf: Shelf, name: str) -> None:
    """Documented in fixed sections; fires on FIRES and not on SILENT; pure; without torch; honest when blind."""
    doc = ast.get_docstring(ast.parse(shelf.file(name).read_text(encoding="utf-8"))) or ""
    missing = [section for section in SECTIONS if section not in doc]
    assert not missing, f"rule {name}: its module docstring lacks {', '.join(missing)}"
    assert not _imports_torch(shelf.file(name)), f"rule {name} imports torch at the top"
    module = shelf.module(name)
    assert module.FIRES, f"rule {name} has no FIRES case"
    assert module.SILENT, f"rule {name} has no SILENT case"
    for place, case in enumerate(module.FIRES):
        found = findings_of(shelf, name, case)
        assert found, f"rule {name} is silent on FIRES[{place}]"
        for finding in found:
            _check_finding(name, finding)
    for place, case in enumerate(module.SILENT):
        found = findings_of(shelf, name, case)
        assert not found, f"rule {name} fires on SILENT[{place}]: {found[0].message}"
    for place, case in enumerate(HEALTHY if shelf.name == RUN_RULES.name else ()):
        with contextlib.suppress(MissingSignal):
            warned = [found.message for found in findings_of(shelf, name, case) if found.severity != "info"]
            assert not warned, f"rule {name} warns of HEALTHY[{place}]: {warned[0]}"
    _check_blind(shelf, name)


def findings_of(shelf: Shelf, name: str, case: Case) -> list[Finding]:
    """What a rule says of a case, asked twice: both answers must be the same. May raise MissingSignal."""
    rule, settings = shelf.pick(name), shelf.settings(name)
    before = copy.deepcopy(dict(case))
    with tempfile.TemporaryDirectory() as folder:
        given = catalog_of(case) if shelf.name == CATALOG_RULES.name else recorded(case, Path(folder) / "run")
        first, second = rule(given, **settings), rule(given, **settings)
    assert first == second, f"rule {name} gives two answers to one question"
    assert repr(before) == repr(dict(case)), f"rule {name} changed its case"
    assert isinstance(first, list), f"rule {name} returns {type(first).__name__}, expected a list of findings"
    return first


def _check_finding(name: str, finding: Finding) -> None:
    assert finding.rule == name, f"rule {name} signs its finding {finding.rule!r}"
    assert finding.evidence, f"rule {name} gives no evidence"
    assert any(sign.isdigit() for sign in finding.message), f"rule {name}: no number in {finding.message!r}"
    assert finding.looked, f"rule {name} itself says it has not looked; it should raise MissingSignal"


def _check_blind(shelf: Shelf, name: str) -> None:
    """Without any measurement a rule may find nothing or raise MissingSignal, never anything else."""
    case = {"catalog": {"id": ["s0", "s1"], "target": ["a", "b"]}}
    try:
        found = findings_of(shelf, name, case)
    except MissingSignal:
        return
    assert shelf.name == CATALOG_RULES.name, f"rule {name} judges a run that recorded nothing: {found}"


def _imports_torch(path: Path) -> bool:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(item.split(".")[0] in ("torch", "torchvision", "timm") for item in names):
            return True
    return False


def check_remedy(name: str) -> None:
    """Its patch applies, changes the recipe, leaves the question alone, and may be applied twice."""
    module, remedy = REMEDIES.module(name), REMEDIES.pick(name)
    for constant, kind in (("CURES", tuple), ("SOURCE", str), ("SAFETY", str), ("ORDER", int), ("SCREENS", bool)):
        value = getattr(module, constant, None)
        assert isinstance(value, kind), f"remedy {name}: {constant} is {value!r}, expected {kind.__name__}"
    assert not _imports_torch(REMEDIES.file(name)), f"remedy {name} imports torch at the top"
    known = {*RUN_RULES.names(), *CATALOG_RULES.names(), *ANNOUNCED}
    assert set(module.CURES) <= known, f"remedy {name} cures what no rule finds: {set(module.CURES) - known}"
    settings, proposed = REMEDIES.settings(name), 0
    for finding, recipe in _occasions(module):
        proposal = remedy(finding, recipe, **settings)
        assert proposal == remedy(finding, recipe, **settings), f"remedy {name} gives two answers to one question"
        if proposal is not None:
            proposed += 1
            _check_proposal(module, proposal, finding, recipe)
            again = remedy(finding, recipe.change(proposal.patch), **settings)
            assert again is None or recipe.change(proposal.patch).change(again.patch).resolve()
    assert proposed, f"remedy {name} proposes nothing on any FIRES case of {', '.join(module.CURES)}"


def _occasions(module: Any) -> Iterator[tuple[Finding, Recipe]]:
    """Findings of the rules it cures, on their cases' recipes, with and without `APPLIES` (where it has work to do)."""
    for rule in module.CURES:
        if rule in (*RUN_RULES.names(), *CATALOG_RULES.names()):
            shelf = RUN_RULES if rule in RUN_RULES.names() else CATALOG_RULES
            for case in shelf.module(rule).FIRES:
                recipe = recipe_of(case)
                for finding in findings_of(shelf, rule, case):
                    yield finding, recipe
                    yield finding, recipe.change(getattr(module, "APPLIES", {}))
        else:
            finding = Finding(rule=rule, severity="warn", message="2 samples", samples=("s0", "s1"))
            yield finding, Recipe().change(getattr(module, "APPLIES", {}))


def _check_proposal(module: Any, proposal: Remedy, finding: Finding, recipe: Recipe) -> None:
    name = proposal.name
    assert module.__name__.split(".")[-1].startswith((name, "snellen_part_")), f"a remedy signs itself {name!r}"
    assert proposal.finding == finding.rule, f"remedy {name} answers {proposal.finding!r}, asked about {finding.rule!r}"
    assert proposal.reason, f"remedy {name} gives no reason"
    assert (proposal.source, proposal.safety) == (module.SOURCE, module.SAFETY), (
        f"remedy {name}: source or safety differ"
    )
    changed = recipe.change(proposal.patch)
    difference = recipe.diff(changed)
    assert difference, f"remedy {name} changes nothing: {dict(proposal.patch)}"
    touched = [key for key in difference if any(key == part or key.startswith(part + ".") for part in QUESTION)]
    assert not touched, f"remedy {name} changes the question: {touched}"


def check_schedule(name: str) -> None:
    """A pure function of progress in [0, 1] (and, with READS_SCORES, of the scores so far) with values in [0, 1] that
    reaches its peak."""
    schedule = SCHEDULES.build(name, {})
    reads = bool(SCHEDULES.constant(name, "READS_SCORES"))
    points = [i / 100 for i in range(101)]
    # One epoch for every tenth of the way: better each time, and after the third never again.
    for scores in ([i / 10 for i in range(10)], [0.1, 0.2, 0.3] + [0.3] * 7) if reads else ([],):
        ways = [(point, *([tuple(scores[: int(point * 10)])] if reads else [])) for point in points]
        values = [float(schedule(*way)) for way in ways]
        assert all(0 <= value <= 1 + 1e-9 for value in values), (
            f"schedule {name} leaves [0, 1]: {min(values)} to {max(values)}"
        )
        assert max(values) > 0.99, f"schedule {name} never reaches its peak: {max(values)}"
        backward = [float(schedule(*way)) for way in reversed(ways)]
        assert backward == values[::-1], f"schedule {name} remembers what it was asked before"
        assert not reads or (values[-1] < 1) is (scores[-1] < 0.5), f"schedule {name} does not follow the scores"


def check_augment(name: str) -> None:
    """The shape of its kind, finite, the same for the same draws, and each sample independent of its neighbours."""
    import torch

    module, part = AUGMENTS.module(name), AUGMENTS.build(name, {})
    assert module.KIND in ("geometry", "colour", "pixels", "policy"), f"augment {name}: KIND is {module.KIND!r}"
    assert isinstance(module.DRAWS, int), f"augment {name}: DRAWS is {module.DRAWS!r}, expected a number"
    assert module.DRAWS >= 1, f"augment {name} draws nothing"
    draws = torch.rand(9, module.DRAWS, generator=torch.Generator().manual_seed(1))
    images = torch.rand(9, 3, 16, 20, generator=torch.Generator().manual_seed(2))
    whole = _augmented(name, module.KIND, part(draws), images)
    again = _augmented(name, module.KIND, part(draws), images)
    for key, value in whole.items():
        assert torch.isfinite(value).all(), f"augment {name} is not finite"
        assert torch.equal(value, again[key]), f"augment {name} differs for the same draws"
        for row in range(9):
            alone = _augmented(name, module.KIND, part(draws[row : row + 1]), images[row : row + 1])[key][0]
            assert torch.allclose(value[row], alone, atol=1e-6), f"augment {name}: {row} depends on its neighbours"


def _augmented(name: str, kind: str, result: Any, images: Any) -> dict[str, Any]:
    """What a part returned for the images, by kind; the operations on pixels are carried out."""
    from snellen.train.augment import changes_of

    changes, pixels = changes_of(kind, result, len(images)), images.clone()
    for rows, operation in changes.pixels:
        pixels[rows] = operation(pixels[rows])
    found = {"geometry": (changes.geometry, (3, 3)), "colour": (changes.colour, (3, 4))}
    for key, (value, shape) in found.items():
        assert value is None or tuple(value.shape) == (len(images), *shape), f"augment {name}: {key} is {value.shape}"
    return {key: value for key, (value, _) in found.items() if value is not None} | {"pixels": pixels}


def check_optimizer(name: str) -> None:
    """Built from groups, lr and weight decay; a hundred steps on a bowl come down by half; a group's own rate holds; what it
    has learnt goes through a checkpoint, bit for bit."""
    from snellen.train.optimizer import moments, refill

    weights, still, optimizer = _bowl(name)
    start = float((weights**2).sum().detach())
    _roll(weights, still, optimizer, 100)
    end = float((weights**2).sum().detach())
    assert end < start / 2, f"optimizer {name}: {start:.3g} became {end:.3g} in a hundred steps"
    assert float(still.detach()) == 1.0, f"optimizer {name} moves a group whose rate is 0"
    assert optimizer.param_groups[0]["lr"] == 0.05, f"optimizer {name} hides its rate from the loop"
    # Stopped after 7 steps, in the middle of whatever is counted, and gone on with.
    weights, still, optimizer = _bowl(name, weight_decay=0.1)
    again, other, resumed = _bowl(name, weight_decay=0.1)
    _roll(weights, still, optimizer, 7)
    again.data.copy_(weights.data)
    refill(resumed, moments(optimizer))
    for part in ((weights, still, optimizer), (again, other, resumed)):
        _roll(*part, 9)
    assert weights.tolist() == again.tolist(), f"optimizer {name} forgets something in a checkpoint: {weights} {again}"


def _bowl(name: str, *, weight_decay: float = 0.0) -> tuple[Any, Any, Any]:
    """Weights that roll down, one that stays, and their optimiser."""
    import torch

    from snellen.recipe import Optim
    from snellen.train.optimizer import optimizer_of

    weights = torch.nn.Parameter(torch.tensor([3.0, -2.0, 1.0]))
    still = torch.nn.Parameter(torch.tensor([1.0]))
    groups: list[dict[str, Any]] = [{"params": [weights]}, {"params": [still], "lr": 0.0, "weight_decay": 0.0}]
    return weights, still, optimizer_of(Optim(name=name, weight_decay=weight_decay), groups, 0.05)


def _roll(weights: Any, still: Any, optimizer: Any, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        ((weights**2).sum() + (still**2).sum()).backward()
        optimizer.step()


def check_task(name: str) -> None:
    """It has the contract's constants and methods; its loss is one value per sample; its rows come back from disk; its
    scores are pure, and those per sample average to the metric."""
    import torch

    task = TASKS.pick(name)()
    for constant in ("DATA", "OWN", "PAIRED", "SMOOTH", "READER", "PICTURES", "ANSWER", "SECTION"):
        assert TASKS.constant(name, constant), f"task {name} has no constant {constant}"
    for method in CONTRACT:
        assert callable(getattr(task, method, None)), f"task {name} has no {method}()"
    own, paired = (TASKS.constant(name, constant) for constant in ("OWN", "PAIRED"))
    assert set(own) <= set(paired), f"task {name}: {set(own) - set(paired)} can be judged by, but not paired"
    assert TASKS.constant(name, "SMOOTH") in paired, f"task {name}: SMOOTH is none of PAIRED"
    example = task.example()
    n = len(example.labels)
    losses = task.loss(example.recipe)(example.output, example.target)
    assert losses.shape == (n,), (
        f"task {name}: its loss has the shape {tuple(losses.shape)}, expected one value per sample"
    )
    with torch.no_grad():
        numbers = task.predict(example.output, example.target)
        halves = [task.predict(example.output[part], example.target[part]) for part in (slice(0, 5), slice(5, n))]
    for key, values in numbers.items():
        assert len(values) == n, f"task {name}: {key} has {len(values)} numbers for {n} samples"
        joined = np.concatenate([half[key] for half in halves])
        assert np.allclose(joined, values, atol=1e-5, equal_nan=True), f"task {name}: {key} depends on the batch"
    _check_rows(name, task, task.rows([f"s{i}" for i in range(n)], example.labels, numbers, example.classes), own)


def _check_rows(name: str, task: Any, rows: Rows, own: tuple[str, ...]) -> None:
    assert rows.task == name, f"task {name}: its rows say that they are of {rows.task!r}"
    back = read_rows(rows.table())
    assert back.ids == rows.ids, f"task {name}: its rows do not come back from a table"
    assert np.allclose(back.losses(), rows.losses()), f"task {name}: its rows do not come back from a table"
    measured = task.measure(rows, seed=0)
    assert set(measured) >= set(own) - {"log_loss"}, f"task {name}: {set(own) - set(measured)} are not measured"
    for metric in own:
        value = task.score(rows, metric)
        assert np.isfinite(value), f"task {name}: {metric} of perfect rows is {value}"
        assert value == task.score(rows, metric), f"task {name}: {metric} gives two answers to one question"
        values, weights = task.paired(rows, metric)
        mean = float((values * weights).mean())
        assert abs(mean - value) < 1e-6, f"task {name}: {metric} is {value}, its mean over samples {mean}"
    whole = rows.take(np.arange(len(rows.ids)))
    assert rows.agrees(whole, np.arange(len(rows.ids))), f"task {name}: its rows do not agree with themselves"
    assert len(rows.joined(whole).ids) == 2 * len(rows.ids), f"task {name}: its rows cannot be joined"
