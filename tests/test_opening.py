"""Which case is begun or gone on with: never one of other data, never one whose answer is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from snellen import verbs
from snellen.case import Case
from snellen.opening import Settings, open_case
from snellen.values import SnellenError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _begun(name: str, source: Path) -> Path:
    source.mkdir(parents=True, exist_ok=True)
    case = Case(Path("snellen-runs") / name)
    case.write("settings", Settings((source,)).plain())
    return case.folder


def test_the_newest_case_of_these_very_images_is_gone_on_with() -> None:
    mine = [_begun(f"照片-2026010{day}-120000", Path("a/照片")) for day in (1, 2)]
    _begun("照片-20260103-120000", Path("b/照片"))  # Another folder of the same name.
    _begun("照片-v2-20260104-120000", Path("a/照片-v2"))
    assert open_case(Settings((Path("a/照片"),)), out=None, resume=True).folder == mine[1]
    with pytest.raises(SnellenError, match=r"there is no case of \S*c/照片 under snellen-runs"):
        open_case(Settings((Path("c/照片"),)), out=None, resume=True)


def test_a_case_of_other_images_is_not_gone_on_with() -> None:
    folder = _begun("照片-20260101-120000", Path("a/照片"))
    with pytest.raises(
        SnellenError, match=r"was begun with sources \S*a/照片, now \S*b/照片 is given; resume with the same, or begin"
    ):
        open_case(Settings((Path("b/照片"),)), out=folder, resume=True)


def test_a_recipe_is_the_same_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipe.yaml").write_text("seed: 1", encoding="utf-8")
    known = Settings((Path("photos"),), recipe=Path("recipe.yaml")).plain()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert Settings.of(known).wanted()[0].seed == 1


def test_a_file_is_no_place_for_a_case() -> None:
    Path("photos").mkdir()
    Path("notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(SnellenError, match=r"notes\.txt is a file; --out must name a new folder"):
        open_case(Settings((Path("photos"),)), out=Path("notes.txt"), resume=False)


@pytest.mark.parametrize("known", [("test_opened", {"run": "r"}), ("final", {"run": "r", "gates": []})])
def test_a_case_whose_test_split_is_open_is_trained_no_further(known: tuple[str, dict]) -> None:
    folder = _begun("照片-20260101-120000", Path("a/照片"))
    Case(folder).write(*known)
    with pytest.raises(SnellenError, match="has opened its test split already and is trained no further"):
        verbs.train("a/照片", out=folder, resume=True)
    assert Case(folder).read(known[0]) == known[1]
