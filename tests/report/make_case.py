"""A realistic case folder, made with the real classes and with names that try to break out of the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from snellen.case import Case
from snellen.catalog import Catalog
from snellen.recipe import Recipe
from snellen.run import Predictions, Run, write_findings
from snellen.values import Finding, Remedy, Verdict, to_json

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "中文 类别",
    "two\nlines",
    "quotes \"double\" 'single' & %{y} $x$",
)
PLAIN = ("dress", "hat", "longsleeve", "outwear", "pants")
STAGES = (("head", 8), ("last", 5), ("all", 9))


def make_case(folder: Path, *, images: Path | None = None) -> Case:
    """The whole path, ended: audit, plan, three runs, remedies, verdicts, overlays, exports.

    `images` may name a folder with one folder per class whose photographs stand in for drawn ones.
    """
    case = make_audited(folder, images=images)
    catalog = case.catalog
    base = _recipe()
    run = _run(case, base, catalog)
    mixed, dropped = base.change({"augment.mixup": 0.4}), base.change({"model.dropout": 0.4})
    for recipe in (mixed, dropped):
        Run.create(case.run(recipe.id, 0).folder, recipe, catalog, {}).finish(
            {"seconds": 61.0, "epochs": 22, "steps": 990}
        )
    _plan(case)
    _remedies(case, base, mixed, dropped)
    _overlays(case, catalog)
    _final(case, run)
    return case


def make_audited(folder: Path, *, images: Path | None = None) -> Case:
    """What `audit` alone leaves: a catalog and its findings."""
    case = Case(folder / "case")
    data = images or folder / "data <b>of '数据'"
    rows = _rows(data) if images else _drawn(data)
    catalog = Catalog.of_rows(rows)
    catalog.save(case.folder / "catalog.parquet")
    case.write_audit(_audit(catalog))
    return case


def _recipe() -> Recipe:
    return Recipe.make(
        {
            "optim": {"lr": 3e-4},
            "augment": {
                "parts": [{"name": "flip"}, {"name": "crop"}, {"name": "brightness_contrast"}],
                "aimed": [{"name": "rotate", "classes": [HOSTILE[0], "hat"]}],
            },
            "stages": [
                {"name": "head", "unfreeze": "head", "epochs": 8, "lr_scale": 10.0},
                {"name": "last", "unfreeze": "last", "epochs": 5},
                {"name": "all", "unfreeze": "all", "epochs": 9, "lr_scale": 0.5, "warmup": 1.0},
            ],
        }
    )


def _rows(data: Path) -> list[dict[str, str]]:
    names = sorted(path.name for path in data.iterdir() if path.is_dir())
    rows = []
    for place, name in enumerate(names):
        shown = HOSTILE[place - 5] if place >= 5 else name
        for i, path in enumerate(sorted((data / name).iterdir())[: 60 - 4 * place]):
            split = ("train", "train", "train", "val", "test")[i % 5]
            text = str(path.relative_to(data))
            rows.append({"id": f"{name}-{i}", "root": str(data), "path": text, "target": shown, "split": split})
            rows[-1]["source"] = ("phone", "studio <i>one</i>", "web")[0 if i % 3 else place % 3]
    return rows


def _drawn(data: Path) -> list[dict[str, str]]:
    rng = np.random.default_rng(7)
    rows = []
    for place, name in enumerate((*PLAIN, *HOSTILE)):
        for i in range(14 - place):
            path = Path(f"class {place}") / (f"photo <{i}> &amp.png" if i % 2 else f"IMG_{place:02d}{i:04d}.jpg")
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            _picture(rng, place).save(data / path)
            split = ("train", "train", "train", "val", "test")[i % 5]
            rows.append({"id": f"s{place}-{i}", "root": str(data), "path": str(path), "target": name, "split": split})
            rows[-1]["source"] = "phone" if i % 3 else "studio <i>one</i>"
    (data / "class 0" / "notes.jpg").write_text("this is no image")
    broken = {"root": str(data), "target": "dress", "split": "train"}
    rows.append({**broken, "id": "b0", "path": "class 0/notes.jpg", "verdict": "not an image"})
    rows.append({**broken, "id": "b1", "path": "class 0/gone.jpg", "verdict": "dangling link"})
    return rows


def _picture(rng: np.random.Generator, place: int) -> Image.Image:
    shade = tuple(int(v) for v in rng.integers(40, 220, 3))
    image = Image.new("RGB", (120, 96), shade)
    x, y, r = (int(v) for v in rng.integers((30, 30, 12), (90, 70, 28)))
    shape = ImageDraw.Draw(image)
    draw = (shape.ellipse, shape.rectangle)[place % 2]
    draw((x - r, y - r, x + r, y + r), fill=tuple(255 - v for v in shade))
    return image


def _audit(catalog: Catalog) -> tuple[Finding, ...]:
    ids, bad = catalog.ids, catalog.where(catalog.column("verdict").astype(str) != "ok").ids
    return (
        Finding(
            rule="unreadable_images",
            severity="block",
            message=f"{len(bad)} of {len(ids)} files cannot be used (1 not an image, 1 dangling link).",
            evidence={"count": len(bad), "total": len(ids), "verdicts": {"not an image": 1, "dangling link": 1}},
            samples=bad,
        ),
        Finding(
            rule="near_duplicates",
            severity="warn",
            message=f"13 of {len(ids)} images are nearly the same as another of their split (10 in train, 3 in val).",
            evidence={"count": 13, "total": len(ids), "splits": {"train": 10, "val": 3}, "share": 0.05},
            samples=ids[3:16],
        ),
        Finding(
            rule="class_imbalance",
            severity="info",
            message=f"The largest class {PLAIN[0]!r} has 2.8 times the images of the smallest {HOSTILE[1]!r}.",
            evidence={"ratio": 2.8, "limit": 3.0, "smallest": HOSTILE[1], "largest": PLAIN[0], "most": 14, "fewest": 5},
        ),
        Finding(
            rule="weak_condition",
            severity="info",
            message="Not looked at: the embeddings were not measured.",
            evidence={"needs": "embedding"},
            looked=False,
        ),
    )


def _run(case: Case, recipe: Recipe, catalog: Catalog) -> Run:
    environment = {
        "machine": {"cpu": "8 cores <fast>", "memory_bytes": 16_000_000_000},
        "torch": "2.14.1",
        "threads": 2,
    }
    environment["probe"] = {"layout": "channels_last", "precision": "bf16"}
    run = Run.create(case.run(recipe.id, recipe.seed).folder, recipe, catalog, environment)
    rng, epoch = np.random.default_rng(3), 0
    for stage, epochs in STAGES:
        for i in range(epochs):
            epoch += 1
            _signals(run, rng, stage, epoch, i / epochs)
    for split in ("val", "test"):
        run.write_predictions(split, _predictions(catalog.usable().of(split), catalog.usable().classes))
    gap = {
        "gap": 0.42,
        "train": 0.06,
        "val": 0.48,
        "limit": 0.3,
        "grade": "likely",
        "train_accuracy": 0.98,
        "val_accuracy": 0.85,
    }
    text = "The loss on validation is 0.42 above the loss on training images (0.48 against 0.06): likely over-fitting."
    weak = {"class": HOSTILE[1], "recall": 0.33, "mean": 0.84, "n": 6, "p": 0.004, "train_count": 9}
    run.write_findings(
        [
            Finding(rule="overfitting", severity="warn", message=text, evidence=gap),
            Finding(
                rule="weak_class",
                severity="warn",
                message=f"Class {HOSTILE[1]!r} stays weak: recall 33.3% of 6 images against a mean of 84.0%.",
                evidence=weak,
                samples=catalog.usable().of("val").ids[:9],
            ),
        ]
    )
    run.finish({"seconds": 187.4, "epochs": epoch, "steps": 990})
    return run


def _signals(run: Run, rng: np.random.Generator, stage: str, epoch: int, share: float) -> None:
    at = {"stage": stage, "epoch": epoch, "step": epoch * 45}
    val = 0.45 + 1.6 * float(np.exp(-epoch / 4)) + float(rng.normal(0, 0.015))
    train = val - min(0.42, 0.02 * epoch) - 0.02
    accuracy = {"train_accuracy": 1 - train / 3, "val_accuracy": 1 - val / 3}
    run.record("loss", {**at, "train": train, "val": val, "running": val + 0.5, **accuracy})
    scale = {"head": 1.2, "last": 2.5, "all": 4.0}[stage]
    groups = {"head": 1.0, "stage4": 0.7, "stage3": 0.5, "stage2": 0.3, "stem": 0.2}
    learns = dict(list(groups.items())[: {"head": 1, "last": 3, "all": 5}[stage]])
    means = {name: scale * part * float(np.exp(-epoch / 30)) for name, part in learns.items()}
    total = {"mean": sum(means.values()), "variance": 0.2 * scale, "first": 1.0, "last": 0.8, "max": 9.0}
    each = {name: {"mean": mean, "variance": (0.3 * mean) ** 2} for name, mean in means.items()}
    run.record("gradient", {**at, "total": total, "groups": each, "clipped": 0.12})
    rate = {"head": 3e-3, "last": 3e-4, "all": 1.5e-4}[stage] * (1 + np.cos(np.pi * share)) / 2 + 1e-7
    run.record("rate", {**at, "lr": float(rate), "peak": 3e-3})
    speed = {"images_per_second": 410.0 + epoch, "seconds": 7.5, "evaluation_seconds": 0.9}
    run.record("speed", {**at, **speed})
    run.record("memory", {**at, "peak_bytes": 1_310_000_000})


def _predictions(rows: Catalog, classes: tuple[str, ...]) -> Predictions:
    rng = np.random.default_rng(11)
    targets = np.asarray([classes.index(name) for name in rows.column("target").tolist()], dtype=np.int64)
    logits = rng.normal(0, 1.1, (len(targets), len(classes)))
    logits[np.arange(len(targets)), targets] += np.where(targets % 4 == 3, 1.2, 3.2)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Predictions(rows.ids, targets, shares, classes)


def _plan(case: Case) -> None:
    choices = [
        ("model.name", "tf_efficientnet_lite0", "Few images and a small budget: a light model.", "SPEC M1"),
        ("optim.lr", 3e-4, "You asked for it; for AdamW and a light model 2e-4 is recommended.", "SPEC L4"),
        (
            "augment.parts",
            ["flip", "crop", "brightness_contrast"],
            "Photographs keep their meaning mirrored.",
            "SPEC D8",
        ),
        ("stages", ["head 8", "last 5", "all 9"], "Epochs are scaled to the budget of 10 min.", "SPEC M3"),
        ("data.drop", [f"s{i}" for i in range(20)], "They also lie in validation or test.", "SPEC D4"),
        ("data.size", 128, "The shorter side of half of the images is below 300 px.", "measured"),
    ]
    names = ("key", "value", "reason", "source")
    plan = {
        "choices": [dict(zip(names, choice, strict=True)) for choice in choices],
        "costs": {"seconds_per_image": 0.0087, "size": 128, "candidates": {"fp32 contiguous": [0.0087]}},
        "budget": 600,
        "estimate": 190.0,
        "given": {"optim.lr": 3e-4, "improve.seeds": 3},
    }
    plan["choices"][0]["reason_zh"] = "图像少、预算小：选用轻量模型。"
    case.write("plan", plan)
    asked = {"sources": [str(case.catalog.column("root")[0])], "budget": 600, "recipe": None, "epochs": None}
    case.write("settings", {**asked, "changes": plan["given"]})


def _remedies(case: Case, base: Recipe, mixed: Recipe, dropped: Recipe) -> None:
    source = "SPEC S1; Zhang et al. 2018, arXiv:1710.09412."
    why = "Mixtures (alpha 0.4) cannot be learned by heart: no two epochs show the same one."
    patches = {
        "mixup": ({"augment.mixup": 0.4}, "overfitting", "safe", None),
        "dropout": ({"model.dropout": 0.4}, "overfitting", "safe", None),
        "balanced_sampling": ({"train.sampling": "balanced"}, "weak_class", "trade-off", "recall_macro"),
        "smaller_batch": ({"train.batch": 16, "optim.lr": 1.5e-4}, "overfitting", "trade-off", "log_loss"),
        "weight_decay": ({"optim.weight_decay": 0.05}, "overfitting", "safe", "log_loss"),
        "cutmix": ({"augment.cutmix": 1.0}, "overfitting", "safe", None),
    }
    remedies = [
        Remedy(name=name, finding=finding, patch=patch, reason=why, source=source, safety=safety, metric=metric)
        for name, (patch, finding, safety, metric) in patches.items()
    ]
    case.write("remedies", [to_json(remedy) for remedy in remedies])
    rows = [
        ("weight_decay", "log_loss", -0.052, -0.09, -0.014, "reject", "screen", "worse already with the head alone"),
        ("mixup", "accuracy", 0.0241, 0.0065, 0.0417, "adopt", "confirm", "The interval lies above zero."),
        ("dropout", "accuracy", -0.0123, -0.031, -0.002, "reject", "confirm", "The interval lies below zero."),
        (
            "balanced_sampling",
            "recall_macro",
            0.016,
            -0.012,
            0.044,
            "undecided",
            "confirm",
            "The interval holds zero; about 900 samples would decide.",
        ),
        ("smaller_batch", "log_loss", 0.034, -0.02, 0.088, "undecided", "confirm", "The interval holds zero."),
    ]
    for name, metric, effect, low, high, decision, stage, reason in rows:
        verdict = Verdict(
            remedy=name, finding=patches[name][1], metric=metric, baseline=base.id,
            candidate={"mixup": mixed, "dropout": dropped}.get(name, base).id, effect=effect, low=low, high=high,
            level=0.983, samples=372, seeds=3, looks=2, seconds=74.2, decision=decision, reason=reason, stage=stage,
        )  # fmt: skip
        case.enter(verdict)


def _overlays(case: Case, catalog: Catalog) -> None:
    usable = catalog.usable()
    items = []
    for i in range(10):
        row = i * len(usable) // 10
        path = case.folder / "gradcam" / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(usable.paths()[row]) as image:
            small = image.convert("RGB").resize((224, 224))
        warm = Image.radial_gradient("L").resize((224, 224)).point(lambda v: 255 - v)
        heated = Image.composite(Image.blend(small, Image.new("RGB", small.size, (230, 70, 20)), 0.5), small, warm)
        both = Image.new("RGB", (448, 224))
        both.paste(small, (0, 0))
        both.paste(heated, (224, 0))
        both.save(path)
        target = usable.column("target")[row]
        item = {"id": usable.ids[row], "path": f"gradcam/{i}.jpg", "target": target, "right": i % 3 > 0}
        items.append({**item, "predicted": target if i % 3 else HOSTILE[i % 5], "probability": 0.55 + 0.04 * i})
    case.write("gradcam", items)


def _final(case: Case, run: Run) -> None:
    value = {"accuracy": 0.934, "top5": 0.995, "precision_macro": 0.928, "recall_macro": 0.921, "f1_macro": 0.924}
    value |= {"auc": 0.991, "ece": 0.031, "log_loss": 0.241}
    splits = {"test": 372, "val": 341, "val_test": 713}
    scores = {
        s: {k: {"value": v, "low": v - 0.026, "high": min(v + 0.024, 1.0), "n": n} for k, v in value.items()}
        for s, n in splits.items()
    }
    gates = [
        {
            "name": "score_accuracy",
            "passed": True,
            "value": 0.908,
            "limit": 0.213,
            "message": "lower bound 90.8 % is above 21.3 %",
        },
        {
            "name": "parity_onnx",
            "passed": True,
            "value": 3.1e-6,
            "limit": 1e-3,
            "message": "differs by at most 3.1e-06",
        },
    ]
    onnx = {"format": "onnx", "path": "export/model.onnx", "bytes": 13_400_000, "ok": True}
    onnx |= {"latency_ms": {"median": 4.21, "p95": 5.02, "n": 200, "batch": 1}}
    onnx |= {"parity": {"max_abs": 3.1e-6, "agreement": 1.0, "n": 64}}
    tensors = {"format": "safetensors", "path": "export/model.safetensors", "bytes": 13_200_000, "ok": True}
    case.write(
        "final",
        {
            "run": run.folder.name,
            **scores,
            "leak": {
                "val": {
                    "metric": "accuracy",
                    "value": 0.934,
                    "without": 0.921,
                    "samples": 341,
                    "leaked": 9,
                    "learnt": 4,
                },
                "test": {"metric": "accuracy", "value": 1.0, "without": None, "samples": 2, "leaked": 2, "learnt": 2},
            },
            "gates": gates,
            "artifacts": [onnx, tensors],
            "latency": [{"engine": "PyTorch eager", "median_ms": 11.8, "p95_ms": 13.9, "n": 200}],
            "seconds": {"audit": 14.2, "train": 187.4, "proof": 268.0, "test": 3.1, "export": 11.5, "total": 484.2},
        },
    )


__all__ = ["HOSTILE", "PLAIN", "make_audited", "make_case", "write_findings"]
