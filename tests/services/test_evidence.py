"""Evidence: kept once by its digest, closed to others, and every later change of a byte is found."""

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from incident_app.domain.digests import digest_of_bytes
from incident_app.domain.errors import BadInput
from incident_app.persistence.incidents import Evidence
from incident_app.services import evidence
from incident_app.services.evidence import Condition, EvidenceAltered, FileChanged
from incident_app.services.transaction import reading
from tests import builders
from tests.builders import NOW, author

CONTENT = b"letter of the recipient"
DIGEST = digest_of_bytes(CONTENT)


def add(engine: Engine, incident: int, folder: Path, content: bytes = CONTENT, name: str = "髙橋一郎.PDF") -> int:
    return evidence.add_evidence(
        engine, incident, content, folder=folder, file_name=name, actor=author(engine).actor, now=NOW
    )


def test_a_file_is_kept_under_its_digest_readable_by_its_owner_only(instance: Engine, tmp_path: Path) -> None:
    view = builders.an_incident(instance)
    number = add(instance, view.id, tmp_path)
    path = evidence.path_of(tmp_path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.name for file in path.parent.iterdir()] == [DIGEST]
    assert add(instance, view.id, tmp_path) == number
    with reading(instance) as session:
        assert session.scalars(sa.select(Evidence.file_name)).all() == ["evidence.pdf"]  # names of files name people


def test_altered_and_missing_bytes_are_found(instance: Engine, tmp_path: Path) -> None:
    view = builders.an_incident(instance)
    for content in (CONTENT, b"second", b"third"):
        add(instance, view.id, tmp_path, content)
    evidence.path_of(tmp_path, digest_of_bytes(b"second")).write_bytes(b"sec0nd")
    evidence.path_of(tmp_path, digest_of_bytes(b"third")).unlink()
    found = evidence.list_evidence(instance, view.id, folder=tmp_path)
    assert [one.condition for one in found] == [Condition.WHOLE, Condition.ALTERED, Condition.MISSING]
    assert [one.condition for one in evidence.list_evidence(instance, view.id)] == [None, None, None]


def test_an_altered_copy_is_never_mended_in_silence(instance: Engine, tmp_path: Path) -> None:
    first, second = builders.an_incident(instance), builders.an_incident(instance)
    add(instance, first.id, tmp_path)
    evidence.path_of(tmp_path, DIGEST).write_bytes(b"something else")
    with pytest.raises(EvidenceAltered, match=DIGEST[:12]):
        add(instance, second.id, tmp_path)
    assert evidence.path_of(tmp_path, DIGEST).read_bytes() == b"something else"
    assert evidence.list_evidence(instance, second.id) == []


def test_an_empty_file_is_no_evidence(instance: Engine, tmp_path: Path) -> None:
    view = builders.an_incident(instance)
    with pytest.raises(BadInput, match="empty"):
        add(instance, view.id, tmp_path, b"")


def test_a_file_that_changes_while_it_is_read_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileChanged):
        evidence.keep_file(tmp_path, b"other bytes", digest=DIGEST)
    assert list(tmp_path.rglob("*")) == [evidence.path_of(tmp_path, DIGEST).parent]
