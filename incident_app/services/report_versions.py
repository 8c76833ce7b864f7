"""Versions of a report: which one counts, and what it says."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from incident_app.domain.errors import NotFound
from incident_app.domain.reports import FieldState, FilledField, FilledForm
from incident_app.domain.words import Words
from incident_app.persistence.reports import Report, ReportVersion


def current_version(session: Session, report: Report) -> ReportVersion:
    """Return the version that counts now."""
    return session.scalars(
        sa.select(ReportVersion).where(
            ReportVersion.report_id == report.id, ReportVersion.version == report.current_version
        ),
    ).one()


def get_version(session: Session, report: Report, number: int) -> ReportVersion:
    """Return one version of a report; NotFound otherwise."""
    version = session.scalars(
        sa.select(ReportVersion).where(ReportVersion.report_id == report.id, ReportVersion.version == number),
    ).one_or_none()
    if version is None:
        raise NotFound(what="version of the report", name=number)
    return version


def filled_form(version: ReportVersion) -> FilledForm:
    """Return what a version says."""
    content = version.fields
    if not isinstance(content, dict):
        raise TypeError("a stored report is a mapping")
    return FilledForm(
        form=content["form"],
        title=Words(**content["title"]),
        addressee=Words(**content["addressee"]),
        source=content["source"],
        fields=tuple(
            FilledField(
                code=field["code"],
                item=field["item"],
                label=Words(**field["label"]),
                value=Words(**field["value"]) if field["value"] else None,
                state=FieldState(field["state"]),
                reason=field["reason"],
            )
            for field in content["fields"]
        ),
    )
