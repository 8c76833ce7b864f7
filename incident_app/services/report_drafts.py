"""What a draft of a report is filled with: the records of the incident, and what people typed into its other papers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.errors import BadInput
from incident_app.domain.ids import IncidentId
from incident_app.domain.report_facts import Codes, FactList, FactSource, FactValue
from incident_app.domain.report_forms import Form, FormField, bare_names
from incident_app.domain.report_values import read_value
from incident_app.domain.words import Words
from incident_app.persistence.reports import Report, ReportVersion
from incident_app.services.incidents import get_row
from incident_app.services.report_facts import report_facts
from incident_app.services.report_history import Planned

OTHER_INCIDENTS = 200
"""How many of the newest papers of all incidents are asked for what the company is called, where it sits, and so on."""
ENGLISH = ".en"


def read_typed(form: Form, given: Mapping[str, str], stated_gaps: Mapping[str, str]) -> dict[str, FactValue]:
    """Read what was typed for a form; refused with the names where it asks for no such thing, else with the field."""
    form.check_names(given, stated_gaps)
    typed = {}
    for name in bare_names(given):
        text, english = given.get(name, ""), given.get(f"{name}{ENGLISH}", "")
        if text.strip() or english.strip():
            field = _asking(form, name)
            typed[name] = read_value(field, form.facts[name], text, english)
    return typed


def as_kept(given: Mapping[str, str], typed: Mapping[str, FactValue]) -> dict[str, str]:
    """Return what was typed as it is kept: an answer by its code, whatever the form calls it."""
    codes = {name: ", ".join(value.codes) for name, value in typed.items() if isinstance(value, Codes)}
    return {name: codes.get(name, text) for name, text in given.items() if text.strip()}


def facts_for(
    session: Session, planned: Planned, form: Form, known: FactList, *, now: datetime
) -> dict[str, FactValue]:
    """Return the facts of a report: what was typed into one paper of an incident holds for all of them (K5).

    The records of the program stand over what was typed elsewhere; the standing texts of the form come last.
    """
    found = report_facts(session, get_row(session, planned.incident_id), known, now=now, planned=planned)
    texts: dict[str, FactValue] = dict(form.standing_texts)
    return texts | _remembered(session, planned, form) | {name: value for name, value in found.items() if name in known}


def _remembered(session: Session, planned: Planned, form: Form) -> dict[str, FactValue]:
    """Return what the newest paper that says it was told: of the company by any, of the incident by its own papers."""
    found: dict[str, FactValue] = {}
    for incident_id, given in _typed_elsewhere(session, planned):
        wanted = {
            fact.code
            for fact in form.facts.values()
            if fact.source is FactSource.COMPANY
            or (fact.source is not FactSource.NOTICE and incident_id == planned.incident_id)
        }
        for name, value in _readable(form, {key: text for key, text in given.items() if _bare(key) in wanted}):
            found.setdefault(name, value)
    return found


def typed_texts(session: Session, incident_id: IncidentId) -> dict[str, Words]:
    """Return what was typed into the papers of an incident, the newest first, for papers that are no form."""
    planned = Planned(incident_id=incident_id, form="", report_id=None, obligation_id=None, addressee_ref="")
    found: dict[str, Words] = {}
    for written_for, given in _typed_elsewhere(session, planned):
        if written_for != incident_id:
            continue
        for name in bare_names(given):
            japanese, english = given.get(name, "").strip(), given.get(f"{name}{ENGLISH}", "").strip()
            if japanese or english:
                found.setdefault(name, Words(ja=japanese or english, en=english or japanese))
    return found


def _typed_elsewhere(session: Session, planned: Planned) -> Iterable[tuple[int, Mapping[str, str]]]:
    rows = session.execute(
        sa.select(Report.incident_id, ReportVersion.facts)
        .join(ReportVersion, ReportVersion.report_id == Report.id)
        .where(Report.id != (planned.report_id or 0), Report.current_version == ReportVersion.version)
        .order_by((Report.incident_id == planned.incident_id).desc(), ReportVersion.id.desc())
        .limit(OTHER_INCIDENTS)
    )
    return [(incident_id, given) for incident_id, given in rows if isinstance(given, dict)]


def _readable(form: Form, given: Mapping[str, str]) -> Iterator[tuple[str, FactValue]]:
    """Leave out an answer that another form allowed and this one does not."""
    for name in bare_names(given):
        try:
            texts = {key: given[key] for key in (name, f"{name}{ENGLISH}") if key in given}
            yield from read_typed(form, texts, {}).items()
        except BadInput:
            continue


def _bare(name: str) -> str:
    return name.removesuffix(ENGLISH)


def _asking(form: Form, fact: str) -> FormField:
    return next(field for field in form.fields if field.fact == fact)
