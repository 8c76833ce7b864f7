"""Reports as files for people: PDF and Word, of the very version that is approved and filed."""

from __future__ import annotations

from sqlalchemy.engine import Engine

from incident_app.domain.ids import IncidentId, ReportId
from incident_app.rendering.papers import Paper, written
from incident_app.rendering.pdf import unprintable
from incident_app.rendering.reports import ReportForms
from incident_app.services.reports import ReportView, get_report, reference_of
from incident_app.services.timeline import chain_head


def report_as_pdf(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    forms: ReportForms,
    *,
    language: str,
    version: int | None = None,
) -> bytes:
    """Write a report as PDF."""
    view = get_report(engine, incident_id, report_id, version=version)
    return forms.pdf(_paper(engine, view, forms, language), written_at=view.written_at)


def report_as_word(
    engine: Engine,
    incident_id: IncidentId,
    report_id: ReportId,
    forms: ReportForms,
    *,
    language: str,
    version: int | None = None,
) -> bytes:
    """Write a report as a Word file, by the company's own template where it has one."""
    view = get_report(engine, incident_id, report_id, version=version)
    return forms.word(_paper(engine, view, forms, language), written_at=view.written_at)


def unprintable_in(engine: Engine, view: ReportView, forms: ReportForms) -> tuple[str, ...]:
    """Return the characters of a report, in either language, for which no PDF can be made."""
    found = [unprintable(_paper(engine, view, forms, language)) for language in ("ja", "en")]
    return tuple(dict.fromkeys(character for one in found for character in one))


def _paper(engine: Engine, view: ReportView, forms: ReportForms, language: str) -> Paper:
    return forms.paper(
        view.filled,
        language=language,
        reference=reference_of(engine, view.incident_id),
        version=view.version,
        written_at=written(view.written_at),
        head=chain_head(engine),
        digest=view.content_digest,
    )
