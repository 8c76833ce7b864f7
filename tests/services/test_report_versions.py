"""Versions of a report, what changed between them, and filings that nobody can change afterwards."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from incident_app.domain.errors import BadInput, IllegalMove, NotFound
from incident_app.domain.report_difference import FieldChange
from incident_app.domain.vocabulary import DutyStatus
from incident_app.services import evidence, report_papers, report_views, reports
from incident_app.services.approvals import NotApproved
from incident_app.services.report_filing import Proof
from incident_app.services.transaction import recording
from tests import builders
from tests.builders import FORMS, NOW
from tests.services.test_report_facts import filed
from tests.services.test_reports import (
    a_complete_draft,
    a_determined_incident,
    an_approved_report,
    draft,
    duty,
)


def test_every_version_stays_readable_and_says_when_it_was_filed(instance: Engine) -> None:
    view = a_determined_incident(instance)
    report = an_approved_report(instance, view, "jp-appi-preliminary", given={"police": "相談予定"})
    filed(instance, report, submitted_at=NOW)
    draft(instance, view, "jp-appi-preliminary", report_id=report.id, given={"police": "届出済み"})
    found = report_views.list_versions(instance, view.id, report.id)
    assert [(one.version, one.submitted_at) for one in found] == [(2, None), (1, NOW)]
    earlier = report_views.get_report(instance, view.id, report.id, version=1)
    assert (earlier.is_current, earlier.submitted_at) == (False, NOW)
    assert earlier.given_facts == {"police": "相談予定"}
    assert reports.get_report(instance, view.id, report.id).submitted_at is None
    assert "相談予定" in reports.report_as_json(instance, view.id, report.id, version=1)
    first = report_papers.report_as_pdf(instance, view.id, report.id, FORMS, language="ja", version=1)
    assert first.startswith(b"%PDF")
    with pytest.raises(NotFound):
        report_views.get_report(instance, view.id, report.id, version=4)


def test_the_definitive_report_is_compared_with_the_preliminary_one(instance: Engine) -> None:
    view = a_determined_incident(instance)
    first = draft(instance, view, "jp-appi-preliminary", stated_gaps={"cause": "調査中"})
    builders.a_notice(instance, view.id)
    second = draft(instance, view, "jp-appi-definitive")
    found = report_views.compare_reports(instance, view.id, second.id, against=first.id)
    by_code = {field.code: field for field in found.fields}
    assert by_code["cause"].change is FieldChange.ADDED
    assert by_code["cause"].before is not None
    assert by_code["cause"].before.reason == "調査中"
    assert "people" not in by_code
    again = draft(instance, view, "jp-appi-definitive", report_id=second.id, given={"people": "9"})
    (changed,) = report_views.compare_reports(instance, view.id, again.id).fields
    assert (changed.code, changed.change) == ("people", FieldChange.CHANGED)
    with pytest.raises(NotFound):  # there is nothing before the first version
        report_views.compare_reports(instance, view.id, first.id)
    other = builders.an_incident(instance, title="別")
    with pytest.raises(NotFound):
        report_views.compare_reports(instance, other.id, second.id, against=first.id)


def test_a_filing_keeps_channel_receipt_and_proof(instance: Engine, tmp_path: Path) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    at = NOW - timedelta(minutes=5)
    folder = tmp_path / "evidence"
    proof = Proof(source=b"receipt", file_name="Yamada Taro.PDF", folder=folder)
    filed(instance, report, channel="委員会フォーム", receipt="R-9", submitted_at=at, proof=proof)
    seen = reports.get_report(instance, view.id, report.id)
    assert (seen.channel, seen.receipt_reference, seen.submitted_at) == ("委員会フォーム", "R-9", at)
    (kept,) = evidence.list_evidence(instance, view.id, folder=folder)
    assert kept.sha256 == seen.proof
    assert kept.condition is evidence.Condition.WHOLE
    with recording(instance) as session:
        assert session.scalar(sa.text("SELECT file_name FROM evidence")) == "proof.pdf"  # a name may name people
    assert duty(instance, view, "jp-appi:preliminary").first_filed_at == at


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE report_submissions SET receipt_reference = 'x'",
        "UPDATE report_submissions SET evidence_id = NULL",
        "DELETE FROM report_submissions",
        "UPDATE report_versions SET content_digest = 'x'",
    ],
)
def test_nobody_changes_what_was_filed(instance: Engine, statement: str) -> None:
    view = a_determined_incident(instance)
    filed(instance, an_approved_report(instance, view, "jp-appi-preliminary"))
    with pytest.raises(DBAPIError), recording(instance) as session:
        session.execute(sa.text(statement))


def test_a_filing_needs_words_and_a_proof_that_is_not_empty_and_fulfils_nothing_when_refused(
    instance: Engine, tmp_path: Path
) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    for changes in (
        {"channel": " "},
        {"channel": "x" * 81},
        {"receipt": "x" * 121},
        {"proof": Proof(source=b"", file_name="x", folder=tmp_path)},
    ):
        with pytest.raises(BadInput):
            filed(instance, report, **changes)
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.OPEN
    assert reports.get_report(instance, view.id, report.id).submitted_at is None


def test_only_filing_fulfils_and_a_correction_is_approved_and_filed_anew(instance: Engine) -> None:
    view = a_determined_incident(instance)
    wanted = duty(instance, view, "jp-appi:preliminary")
    report = an_approved_report(instance, view, "jp-appi-preliminary", obligation_id=wanted.id)
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.OPEN
    filed(instance, report)
    assert duty(instance, view, "jp-appi:preliminary").status is DutyStatus.FULFILLED
    with pytest.raises(IllegalMove):
        filed(instance, report)
    a_complete_draft(instance, view, "jp-appi-preliminary", report_id=report.id, given={"police": "届出済み"})
    with pytest.raises(NotApproved):
        filed(instance, report)
    assert duty(instance, view, "jp-appi:preliminary").first_filed_at == NOW
