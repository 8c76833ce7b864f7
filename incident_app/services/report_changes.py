"""What the facts say now against what an approved report says: nobody files old facts without noticing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from incident_app.domain.ids import IncidentId, ReportId
from incident_app.domain.report_difference import FieldDifference, difference
from incident_app.domain.report_forms import Form
from incident_app.domain.reports import fill_form
from incident_app.persistence.reports import Report, ReportVersion
from incident_app.rendering.reports import ReportForms
from incident_app.services.report_drafts import facts_for, read_typed
from incident_app.services.report_history import Planned
from incident_app.services.report_versions import current_version, filled_form
from incident_app.services.report_views import report_row
from incident_app.services.transaction import reading

ENGLISH = ".en"
OF_PAPERS = frozenset({"reported_on", "report_series", "previous_reports", "reports_filed"})
"""What changes by writing and filing papers alone: the day, which others went out. No fact of the incident."""


def changed_since(
    engine: Engine, incident_id: IncidentId, report_id: ReportId, forms: ReportForms, *, now: datetime
) -> tuple[FieldDifference, ...]:
    """Return the fields of the current version that would say something else if it were written now."""
    with reading(engine) as session:
        report = report_row(session, incident_id, report_id)
        return find_changed(session, report, current_version(session, report), forms, now=now)


def find_changed(
    session: Session, report: Report, version: ReportVersion, forms: ReportForms, *, now: datetime
) -> tuple[FieldDifference, ...]:
    """Fill the form anew, with what was typed into this version, and compare; within an open session."""
    form, known = forms.form(report.form), forms.facts()
    given = version.facts if isinstance(version.facts, dict) else {}
    gaps = version.stated_gaps if isinstance(version.stated_gaps, dict) else {}
    planned = Planned(
        incident_id=IncidentId(report.incident_id),
        form=report.form,
        report_id=ReportId(report.id),
        obligation_id=report.obligation_id,
        addressee_ref=report.addressee_ref,
    )
    typed = read_typed(form, {name: given[name] for name in _asked(form, given)}, {})
    before = filled_form(version)
    facts = facts_for(session, planned, form, known, now=now) | typed
    after = fill_form(form, facts, gaps, addressee=before.addressee)
    about_papers = {field.code for field in form.fields if field.fact in OF_PAPERS}
    return tuple(one for one in difference(before, after) if one.code not in about_papers)


def _asked(form: Form, given: Iterable[str]) -> list[str]:
    """Return what was typed that the form still asks for; it may have been edited since."""
    return [name for name in given if name.removesuffix(ENGLISH) in form.facts]
