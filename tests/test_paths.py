"""Where templates and playbooks lie: the company's own files hide the shipped ones, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_app.paths import files_in, find_file, search_path, static_folder

POLICY = "policies/gpu-cloud-bygmo.toml"


def an_own_file(home: Path, relative: str) -> Path:
    path = home / "playbooks" / relative
    path.parent.mkdir(parents=True)
    path.write_text("", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["templates", "playbooks"])
def test_without_own_files_the_shipped_ones_are_used(kind: str, tmp_path: Path) -> None:
    (folder,) = search_path(kind, tmp_path)
    assert folder.name == kind
    assert tmp_path not in folder.parents


def test_a_companys_own_folder_comes_first(tmp_path: Path) -> None:
    an_own_file(tmp_path, POLICY)
    folders = search_path("playbooks", tmp_path)
    assert folders[0] == tmp_path / "playbooks"
    assert len(folders) == 2


def test_a_companys_own_file_hides_the_shipped_one(tmp_path: Path) -> None:
    shipped = find_file("playbooks", POLICY, tmp_path)
    own = an_own_file(tmp_path, POLICY)
    assert find_file("playbooks", POLICY, tmp_path) == own != shipped
    found = list(files_in("playbooks", "policies", tmp_path))
    assert own in found
    assert shipped not in found


def test_an_own_file_leaves_the_other_shipped_ones_in_place(tmp_path: Path) -> None:
    shipped = list(files_in("playbooks", "regimes", tmp_path))
    own = an_own_file(tmp_path, "regimes/aa-our-contract.toml")
    assert list(files_in("playbooks", "regimes", tmp_path)) == [own, *shipped]
    assert shipped


def test_files_come_in_the_order_of_their_names_and_others_are_left_out(tmp_path: Path) -> None:
    an_own_file(tmp_path, "regimes/zz.toml").with_name("notes.txt").write_text("", encoding="utf-8")
    names = [path.name for path in files_in("playbooks", "regimes", tmp_path)]
    assert names == sorted(names)
    assert "notes.txt" not in names


def test_what_is_nowhere_is_not_found(tmp_path: Path) -> None:
    assert find_file("playbooks", "policies/no-such.toml", tmp_path) is None
    assert find_file("playbooks", "policies", tmp_path) is None  # a folder is no file
    assert list(files_in("playbooks", "no-such", tmp_path)) == []


def test_the_style_sheet_lies_in_the_package() -> None:
    assert (static_folder() / "style.css").is_file()
