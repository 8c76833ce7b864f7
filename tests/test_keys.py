"""Own keys of an instance: made once, by whoever is first, and readable by their owner only."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from incident_app.keys import KEY_BYTES, UnsafeKey, make_home, own_key


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path / "home")
    return tmp_path / "home"


def test_the_home_folder_and_its_parts_are_closed_to_others(home: Path) -> None:
    assert {folder.name for folder in home.iterdir()} == {"keys", "journals", "uploads", "evidence"}
    assert {mode(folder) for folder in (home, *home.iterdir())} == {0o700}


def test_making_the_home_again_keeps_what_is_in_it(home: Path) -> None:
    key = own_key(home, "session")
    make_home(home)
    assert own_key(home, "session") == key


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_an_empty_folder_that_stands_open_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    make_home(home)
    assert mode(home) == 0o700


def test_what_an_older_start_left_open_is_closed(home: Path) -> None:
    database = home / "incident-app.db"
    database.touch(mode=0o644)
    for folder in (home, home / "uploads"):
        folder.chmod(0o755)
    make_home(home)
    assert mode(database) == 0o600
    assert {mode(folder) for folder in (home, home / "uploads")} == {0o700}


def test_a_file_made_after_the_home_is_closed_to_others(home: Path) -> None:
    (home / "incident-app.db").touch()
    assert mode(home / "incident-app.db") == 0o600


def test_an_open_folder_that_holds_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(UnsafeKey, match="chmod 700"):
        make_home(tmp_path)
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    tmp_path.chmod(0o700)
    make_home(tmp_path)
    assert (tmp_path / "keys").is_dir()


def test_a_key_is_made_once_and_differs_by_name_and_instance(home: Path, tmp_path: Path) -> None:
    make_home(tmp_path / "other")
    keys = [own_key(home, "session"), own_key(home, "address"), own_key(tmp_path / "other", "session")]
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert own_key(home, "session") == keys[0]


def test_a_key_is_readable_by_its_owner_only_and_no_draft_is_left(home: Path) -> None:
    own_key(home, "session")
    (path,) = (home / "keys").iterdir()
    assert path.name == "session.key"
    assert mode(path) == 0o600


def test_who_comes_second_uses_the_key_of_the_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[bytes] = []
    real_fsync = os.fsync

    def somebody_is_faster(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", real_fsync)
        first.append(own_key(home, "session"))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", somebody_is_faster)
    assert [own_key(home, "session")] == first
    assert [entry.name for entry in (home / "keys").iterdir()] == ["session.key"]


def _make(home: Path, start: Barrier, results: Queue[bytes]) -> None:
    start.wait(timeout=60)
    results.put(own_key(home, "session"))


def test_eight_processes_that_start_at_once_get_the_same_key(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: Queue[bytes] = context.Queue()
    start = context.Barrier(8)
    processes = [context.Process(target=_make, args=(home, start, results)) for _ in range(8)]
    for process in processes:
        process.start()
    keys = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8
    assert keys == {own_key(home, "session")}
    assert [entry.name for entry in (home / "keys").iterdir()] == ["session.key"]


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o622, 0o644])
def test_a_key_that_others_can_reach_is_refused(home: Path, bits: int) -> None:
    own_key(home, "session")
    path = home / "keys" / "session.key"
    path.chmod(bits)
    with pytest.raises(UnsafeKey, match=f"chmod 600 {path}"):
        own_key(home, "session")


@pytest.mark.parametrize("content", [b"", b"short", b"k" * 33])
def test_a_key_that_was_cut_or_grew_is_refused_and_not_made_anew(home: Path, content: bytes) -> None:
    own_key(home, "session")
    path = home / "keys" / "session.key"
    path.write_bytes(content)
    with pytest.raises(UnsafeKey, match="32 bytes"):
        own_key(home, "session")
    assert path.read_bytes() == content


def test_a_refusal_never_shows_the_key(home: Path) -> None:
    key = own_key(home, "session")
    (home / "keys" / "session.key").chmod(0o644)
    with pytest.raises(UnsafeKey) as refusal:
        own_key(home, "session")
    assert key.hex() not in str(refusal.value)
    assert repr(key) not in str(refusal.value)
