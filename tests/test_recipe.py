"""The recipe: one door for change, an identity, errors that name the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from snellen.recipe import Recipe
from snellen.values import SnellenError


def test_a_recipe_is_frozen_all_the_way_down() -> None:
    recipe = Recipe()
    with pytest.raises(ValueError, match="frozen"):
        recipe.optim.lr = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        recipe.loss.settings["smoothing"] = 0.5  # type: ignore[index]
    assert isinstance(recipe.stages, tuple)


def test_change_gives_a_validated_copy() -> None:
    recipe = Recipe()
    changed = recipe.change({"optim.lr": 3e-4, "stages.2.epochs": 8, "stages.head.epochs": 2})
    assert (changed.optim.lr, changed.stages[2].epochs, changed.stages[0].epochs) == (3e-4, 8, 2)
    assert recipe == Recipe()
    with pytest.raises(SnellenError, match=r"'optim\.lr' is -1"):
        recipe.change({"optim.lr": -1})


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("optim.lrr", r"no key 'optim\.lrr'; did you mean 'lr'\?"),
        ("optimm.lr", r"no key 'optimm'; did you mean 'optim'"),
        ("stages.midle.epochs", r"no entry 'midle', there are 3: head, last, all"),
        ("stages.7.epochs", r"no entry '7'"),
        ("optim.lr.peak", r"holds the value 0\.0002 and has no keys below it"),
    ],
)
def test_an_unknown_key_is_named(key: str, words: str) -> None:
    with pytest.raises(SnellenError, match=words):
        Recipe().change({key: 1})


def test_a_file_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("optim: {lear: 0.1}\nmodle: {}\n")
    with pytest.raises(SnellenError) as error:
        Recipe.load(path)
    assert str(path) in str(error.value)
    assert "unknown recipe key 'modle'; did you mean 'model'" in str(error.value)
    assert "unknown recipe key 'optim.lear'" in str(error.value)


@pytest.mark.parametrize(
    ("patch", "meant"),
    [
        ({"train.precision": "bf17"}, "bf16"), ({"train.sampling": "balance"}, "balanced"), ({"optim.rates": {"stag1": 0.1}}, "stage1"),
        ({"stages.0.unfreeze": "haed"}, "head"),
    ],
)  # fmt: skip
def test_one_of_few_words_that_is_nearly_right_is_asked_about(patch: dict, meant: str) -> None:
    with pytest.raises(SnellenError, match=f"; did you mean '{meant}'"):
        Recipe().change(patch)


@pytest.mark.parametrize("word", [".nan", "nan", ".inf", "fast"])
def test_a_rate_that_is_no_number_is_refused(tmp_path: Path, word: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(f"optim: {{lr: {word}}}\n")
    with pytest.raises(SnellenError, match=r"recipe key 'optim\.lr' is"):
        Recipe.load(path)


def test_a_setting_that_is_no_number_is_refused() -> None:
    with pytest.raises(SnellenError, match="expected a finite number"):
        Recipe().change({"loss.settings": {"smoothing": float("nan")}})


@pytest.mark.parametrize(("text", "words"), [("- 1\n", "holds list"), ("a: [", "is not YAML"), ("", "holds NoneType")])
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(SnellenError, match=words):
        Recipe.load(path)
    with pytest.raises(SnellenError, match="does not exist"):
        Recipe.load(tmp_path / "gone.yaml")


def test_the_id_is_of_the_resolved_recipe_without_its_seed() -> None:
    recipe = Recipe()
    assert recipe.id == recipe.change({"seed": 7}).id == recipe.resolve().id
    # Saying a default aloud changes nothing.
    assert recipe.id == recipe.change({"loss": {"name": "cross_entropy"}}).id
    assert recipe.id != recipe.change({"optim.lr": 3e-4}).id


def test_diff_is_of_resolved_recipes() -> None:
    recipe = Recipe()
    other = recipe.change({"optim.lr": 1e-3, "loss.settings.smoothing": 0.0})
    assert recipe.diff(other) == {"loss.settings.smoothing": (0.1, 0.0), "optim.lr": (2e-4, 1e-3)}
    assert recipe.diff(recipe.change({"loss": {"name": "cross_entropy"}})) == {}


def test_resolve_checks_every_part() -> None:
    for patch, words in (
        ({"loss.name": "focall"}, "did you mean 'focal'"),
        ({"augment.parts": [{"name": "flop"}]}, "did you mean 'flip'"),
        ({"stages.0.schedule": {"name": "cosine", "settings": {"flor": 1}}}, "no setting 'flor'; did you mean 'floor'"),
    ):
        with pytest.raises(SnellenError, match=words):
            Recipe().change(patch).resolve()


def test_save_and_load_give_the_same_recipe(tmp_path: Path) -> None:
    recipe = Recipe().change(
        {"augment.aimed": [{"name": "rotate", "settings": {"degrees": 30.0}, "classes": ["a b", "图"]}], "seed": 3}
    )
    recipe.save(tmp_path / "r.yaml")
    assert Recipe.load(tmp_path / "r.yaml") == recipe


def test_stages_need_names_of_their_own() -> None:
    with pytest.raises(SnellenError, match="each a name of its own"):
        Recipe().change({"stages.0.name": "all"})
    with pytest.raises(SnellenError, match="at least one"):
        Recipe().change({"stages": []})


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"loss.settings.smoothing": "high"}, "losses part 'cross_entropy': setting smoothing is 'high', expected a number"),
        ({"loss.settings.smoothing": True}, "setting smoothing is True, expected a number"),
        ({"optim": {"name": "sgd", "settings": {"nesterov": 1}}}, "setting nesterov is 1, expected true or false"),
        ({"loss": {"name": "class_balanced", "settings": {"weights": 2}}}, "setting weights is 2, expected a list"),
        ({"augment.parts": [{"name": "rotate", "settings": {"degrees": [5]}}]}, "expected a number"),
    ],
)  # fmt: skip
def test_a_setting_of_the_wrong_kind_is_refused_before_anything_is_read(patch: dict, words: str) -> None:
    with pytest.raises(SnellenError, match=words):
        Recipe().change(patch).resolve()


def test_whole_numbers_serve_where_fractions_do() -> None:
    recipe = Recipe().change({"augment.parts": [{"name": "rotate", "settings": {"degrees": 30}}]}).resolve()
    assert recipe.augment.parts[0].settings["degrees"] == 30


def test_another_part_begins_with_its_own_settings() -> None:
    recipe = Recipe().change({"loss.name": "arcface"}).resolve()
    assert "smoothing" not in recipe.loss.settings
    both = Recipe().change({"loss.settings.gamma": 1.5, "loss.name": "focal"}).resolve()
    assert (both.loss.name, both.loss.settings["gamma"], both.loss.settings["smoothing"]) == ("focal", 1.5, 0.0)
    same = Recipe().change({"loss.settings.smoothing": 0.3}).change({"loss.name": "cross_entropy"})
    assert same.loss.settings["smoothing"] == 0.3
    cosine = Recipe().change({"stages.all.schedule": {"name": "cosine_restarts", "settings": {"cycles": 1}}})
    assert "cycles" not in cosine.change({"stages.all.schedule.name": "poly"}).resolve().stages[2].schedule.settings


def test_off_is_off_also_where_yaml_reads_it_as_false(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("train: {cache: off}", encoding="utf-8")
    assert Recipe.load(tmp_path / "recipe.yaml").train.cache == "off"
