from __future__ import annotations

import os
import stat

import pytest

from notifications.errors import JournalExists, JournalFailed, JournalInUse
from notifications.journal import Fate, Journal, Replay, replay


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker-1.journal"


def test_begun_and_ended_attempts_are_told_apart(path):
    with Journal(path) as journal:
        journal.begin(1, 1)
        journal.begin(2, 3)
        journal.end(1, 1, 250)
        journal.end(3, 1, 550)
    found = replay(path)
    assert found == Replay(ended={(1, 1): 250, (3, 1): 550}, open={(2, 3)}, trustworthy=True)
    fates = [found.fate_of(*key) for key in ((1, 1), (2, 3), (2, 2), (9, 1))]
    assert fates == [Fate.ENDED, Fate.IN_DOUBT, Fate.NEVER_BEGUN, Fate.NEVER_BEGUN]


def test_an_attempt_that_ended_without_an_answer_is_ended_and_has_no_code(path):
    with Journal(path) as journal:
        journal.begin(1, 1)
        journal.end(1, 1, None)
    assert replay(path).ended == {(1, 1): None}


def test_only_the_owner_may_read_a_journal(path):
    Journal(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("torn", [b"B 2", b"E 1 1 25", b"E 1 1 250"])
def test_a_torn_last_line_is_as_if_it_had_not_been_written(path, torn):
    with Journal(path) as journal:
        journal.begin(1, 1)
    path.write_bytes(path.read_bytes() + torn)
    assert replay(path) == Replay(open={(1, 1)}, trustworthy=True)


@pytest.mark.parametrize("spoiled", [b"X 1 1\n", b"B 1\n", b"\n", b"\0\0\0\0\n", b"B 2 B 3 1\n"])
def test_a_spoiled_line_in_the_middle_makes_everything_doubtful(path, spoiled):
    with Journal(path) as journal:
        journal.begin(1, 1)
    path.write_bytes(path.read_bytes() + spoiled + b"E 1 1 250\n")
    found = replay(path)
    assert not found.trustworthy
    assert found.ended == {(1, 1): 250}
    assert found.fate_of(1, 1) is found.fate_of(7, 1) is Fate.IN_DOUBT


def test_a_missing_journal_leaves_every_attempt_in_doubt(path):
    assert replay(path).fate_of(1, 1) is Fate.IN_DOUBT


@pytest.mark.parametrize(
    "content", [b"", b"mailer-jour", b"mailer-journal 1 0000", b"mailer-journal 2 x\n", b"B 1 1\n"]
)
def test_a_journal_without_a_whole_first_line_is_not_trusted(path, content):
    path.write_bytes(content)
    assert not replay(path).trustworthy


@pytest.mark.parametrize("boot", [b"00000000-0000-0000-0000-000000000000", b"unknown"])
def test_a_journal_from_before_a_restart_of_the_machine_is_not_trusted(path, boot):
    path.write_bytes(b"mailer-journal 1 " + boot + b"\nB 1 1\nE 1 1 250\n")
    assert replay(path).fate_of(2, 1) is Fate.IN_DOUBT


def test_where_no_boot_can_be_told_from_another_nothing_is_trusted(path, tmp_path, monkeypatch):
    monkeypatch.setattr("notifications.journal._BOOT_ID", tmp_path / "absent")
    Journal(path).close()
    assert not replay(path).trustworthy


def test_a_journal_that_was_not_replayed_is_not_written_over(path):
    Journal(path).close()
    with pytest.raises(JournalExists):
        Journal(path)


def test_after_the_replay_a_fresh_journal_takes_its_place(path):
    with Journal(path) as journal:
        journal.begin(1, 1)
    Journal.fresh(path).close()
    assert replay(path) == Replay(trustworthy=True)


def test_the_journal_of_a_living_worker_is_neither_replayed_nor_replaced(path):
    with Journal(path):
        with pytest.raises(JournalInUse):
            replay(path)
        with pytest.raises(JournalInUse):
            Journal.fresh(path)
    assert replay(path).trustworthy


def full_after(room):
    """Write as a disk would that takes so many octets more."""

    def pwrite(_file, octets, _offset):
        if room == 0:
            raise OSError(28, "No space left on device")
        return min(room, len(octets))

    return pwrite


@pytest.mark.parametrize("room", [0, 100])
def test_a_full_disk_stops_the_journal_and_leaves_what_was_marked(path, monkeypatch, room):
    journal = Journal(path)
    monkeypatch.setattr(os, "pwrite", full_after(room))
    with pytest.raises(JournalFailed):
        for number in range(1, 100_000):
            journal.begin(number, 1)
    monkeypatch.undo()
    with pytest.raises(JournalFailed):
        journal.begin(2, 1)
    replayed = replay(path)
    assert replayed.trustworthy
    assert replayed.open == {(key, 1) for key in range(1, number)}


def test_a_journal_knows_how_much_it_has_written(path):
    with Journal(path) as journal:
        journal.begin(1, 1)
    assert journal.size == path.stat().st_size


def test_a_journal_of_many_marks_is_read_whole(path):
    ended = {(key, key % 3 + 1): 250 if key % 2 else None for key in range(10**6, 10**6 + 9_000)}
    with Journal(path) as journal:
        for (key, attempt), code in ended.items():
            journal.begin(key, attempt)
            journal.end(key, attempt, code)
        journal.begin(7, 1)
        size = journal.size
    replayed = replay(path)
    assert size > 3 * 64 * 1024
    assert replayed.trustworthy
    assert replayed.ended == ended
    assert replayed.open == {(7, 1)}


def test_the_zeros_behind_the_last_mark_of_a_killed_worker_say_nothing(path):
    with Journal(path) as journal:
        journal.begin(1, 1)
        journal.end(1, 1, 250)
        journal.begin(2, 1)
        left = path.read_bytes()
    for torn in (b"", b"E 2 1 250", b"\0\0 1 250"):
        path.write_bytes(left[: journal.size] + torn + left[journal.size + len(torn) :])
        replayed = replay(path)
        assert replayed.trustworthy
        assert replayed.open == {(2, 1)}
