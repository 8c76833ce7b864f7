"""The reports pages: a regulator's form filled from the facts, its gaps, its filing."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from werkzeug.wrappers import Response

from incident_app.domain.access import Permission
from incident_app.domain.consistency import Mismatch
from incident_app.domain.ids import ReportId
from incident_app.domain.report_difference import FieldDifference
from incident_app.domain.report_forms import Form
from incident_app.domain.vocabulary import Subject
from incident_app.rendering.glyphs import named_glyphs
from incident_app.services import (
    accounts,
    approvals,
    consistency,
    obligations,
    report_changes,
    report_papers,
    report_views,
    reports,
)
from incident_app.services.incidents import IncidentView
from incident_app.services.report_filing import Proof
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.page import incident_page
from incident_app.web.times import typed_moment

blueprint = flask.Blueprint("reports", __name__, url_prefix="/incidents/<reference>/reports")
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
DOCUMENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


@blueprint.get("")
@requires(Permission.INCIDENT_READ)
def show(reference: str) -> str:
    view = context.incident_of(reference)
    usable, faults = context.parts().forms.usable()
    return incident_page(
        "reports/show.html",
        view,
        reports=reports.list_reports(context.engine(), view.id),
        forms=[(form.code, context.named_in(form.title)) for form in usable],
        faults=faults,
        consistency=consistency.show_consistency(context.engine(), view.id, now=context.now()),
        names=accounts.names_by_actor(context.engine()),
        open_duties=[
            duty
            for duty in obligations.list_obligations(context.engine(), view.id)
            if duty.is_live and duty.form is not None
        ],
    )


@blueprint.post("/consistency/<digest>")
@requires(Permission.REPORT_WRITE)
@shown_at("reports.show")
def explain(reference: str, digest: str) -> Response:
    view = context.incident_of(reference)
    consistency.explain(
        context.engine(),
        view.id,
        digest,
        reason=context.typed("reason"),
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("reports.explained")
    return flask.redirect(flask.url_for("reports.show", reference=reference))


@blueprint.post("/draft")
@requires(Permission.REPORT_WRITE)
@shown_at("reports.show")
def draft(reference: str) -> Response:
    view = context.incident_of(reference)
    drafted = reports.draft_report(
        context.engine(),
        view.id,
        context.parts().forms,
        form=context.typed("form"),
        obligation_id=flask.request.form.get("obligation_id", type=int),
        actor=context.account().actor,
        now=context.now(),
    )
    return flask.redirect(flask.url_for("reports.one", reference=reference, report_id=drafted.id))


@blueprint.get("/<int:report_id>")
@requires(Permission.INCIDENT_READ)
def one(reference: str, report_id: int) -> str:
    view = context.incident_of(reference)
    report = report_views.get_report(context.engine(), view.id, ReportId(report_id), version=_asked_version())
    form = context.parts().forms.form(report.form)
    return incident_page(
        "reports/one.html",
        view,
        report=report,
        versions=report_views.list_versions(context.engine(), view.id, ReportId(report_id)),
        others=[
            (other.id, f"{context.named_in(other.filled.title)} ({other.id})")
            for other in reports.list_reports(context.engine(), view.id)
            if other.id != report.id
        ],
        names=accounts.names_by_actor(context.engine()),
        differing=_differing(view, f"report:{report_id}"),
        changed=_changed(report),
        unprintable=named_glyphs(report_papers.unprintable_in(context.engine(), report, context.parts().forms)),
        form_of=form,
        asked_of={field.code: field for field in form.fields},
        answers=lambda field: [(choice.code, context.named_in(choice.words)) for choice in field.choices],
    )


def _differing(view: IncidentView, paper: str) -> tuple[Mismatch, ...]:
    """Return what a paper still has to correct or explain."""
    found = consistency.show_consistency(context.engine(), view.id, now=context.now())
    return tuple(one for one in found.open if paper in one.blamed)


def _changed(report: report_views.ReportView) -> tuple[FieldDifference, ...]:
    """Return what the facts say otherwise than an approved report that is not filed yet."""
    if not report.approved or report.submitted_at is not None or not report.is_current:
        return ()
    return report_changes.changed_since(
        context.engine(), report.incident_id, report.id, context.parts().forms, now=context.now()
    )


def _asked_version() -> int | None:
    """Return the version that the address asks for; what is no number asks for the current one."""
    text = flask.request.args.get("version", "")
    return int(text) if context.is_number(text) else None


@blueprint.get("/<int:report_id>/compare")
@requires(Permission.INCIDENT_READ)
@shown_at("reports.one")
def compare(reference: str, report_id: int) -> str:
    view = context.incident_of(reference)
    against = flask.request.args.get("against", "")
    before = flask.request.args.get("before", "")
    found = report_views.compare_reports(
        context.engine(),
        view.id,
        ReportId(report_id),
        version=_asked_version(),
        against=ReportId(int(against)) if context.is_number(against) else None,
        against_version=int(before) if context.is_number(before) else None,
    )
    return incident_page("reports/compare.html", view, found=found)


def _labels(reference: str, report_id: int) -> Mapping[str, str]:
    """Return what the page calls each field of a report's form."""
    report = reports.get_report(context.engine(), context.incident_of(reference).id, ReportId(report_id))
    return {field.code: context.named_in(field.label) for field in context.parts().forms.form(report.form).fields}


@blueprint.post("/<int:report_id>")
@requires(Permission.REPORT_WRITE)
@shown_at("reports.one", names=_labels)
def revise(reference: str, report_id: int) -> Response:
    view = context.incident_of(reference)
    report = reports.get_report(context.engine(), view.id, ReportId(report_id))
    form = context.parts().forms.form(report.form)
    reports.draft_report(
        context.engine(),
        view.id,
        context.parts().forms,
        form=report.form,
        given=_given(form, report.given_facts),
        stated_gaps=_gaps(form, report.stated_gaps),
        report_id=report.id,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("reports.revised")
    return flask.redirect(flask.url_for("reports.one", reference=reference, report_id=report_id))


def _given(form: Form, before: Mapping[str, str]) -> dict[str, str]:
    """Return what is given for the facts of a form: as typed now, else as before; an emptied field gives nothing."""
    given = {}
    for field in form.fields:
        for part, fact in (("value", field.fact), ("english", f"{field.fact}.en")):
            name = f"{part}.{field.code}"
            sent = [text.strip() for text in flask.request.form.getlist(name)]
            if text := ", ".join(filter(None, sent)) if sent else before.get(fact, ""):
                given[fact] = text
    return given


def _gaps(form: Form, before: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons for empty fields: as typed now, else as before; an emptied reason is none."""
    sent = {code: flask.request.form.get(f"gap.{code}", before.get(code, "")).strip() for code in form.field_codes}
    return {code: reason for code, reason in sent.items() if reason}


@blueprint.post("/<int:report_id>/approval")
@requires(Permission.REPORT_WRITE)
@shown_at("reports.one", form="reports.revise", names=_labels)
def ask_approval(reference: str, report_id: int) -> Response:
    view = context.incident_of(reference)
    approvals.request_approval(
        context.engine(), view.id, Subject.REPORT, report_id, actor=context.account().actor, now=context.now()
    )
    context.done("approvals.asked")
    return flask.redirect(flask.url_for("reports.one", reference=reference, report_id=report_id))


@blueprint.post("/<int:report_id>/filed")
@requires(Permission.REPORT_FILE)
@shown_at("reports.one")
def file(reference: str, report_id: int) -> Response:
    view = context.incident_of(reference)
    reports.file_report(
        context.engine(),
        view.id,
        ReportId(report_id),
        channel=context.typed("channel"),
        receipt=context.typed("receipt") or None,
        submitted_at=typed_moment(context.typed("submitted_at"), field="submitted_at"),
        proof=_proof(),
        forms=context.parts().forms,
        nonetheless=context.typed("nonetheless"),
        designated_operator=context.parts().designated_operator,
        actor=context.account().actor,
        now=context.now(),
    )
    context.done("reports.filed")
    return flask.redirect(flask.url_for("reports.one", reference=reference, report_id=report_id))


def _proof() -> Proof | None:
    """Return the file that was chosen as proof; a browser sends one without a name when none was."""
    upload = flask.request.files.get("file")
    if upload is None or not upload.filename:
        return None
    return Proof(source=upload.read(), file_name=upload.filename, folder=context.parts().evidence)


@blueprint.get("/<int:report_id>/document")
@requires(Permission.INCIDENT_READ)
def document(reference: str, report_id: int) -> flask.Response:
    view = context.incident_of(reference)
    text = reports.report_as_html(
        context.engine(),
        view.id,
        ReportId(report_id),
        context.parts().forms,
        language=context.language(),
        version=_asked_version(),
    )
    return flask.Response(text, headers={"Content-Security-Policy": DOCUMENT_POLICY})


@blueprint.get("/<int:report_id>/document.json")
@requires(Permission.INCIDENT_READ)
def as_json(reference: str, report_id: int) -> flask.Response:
    view = context.incident_of(reference)
    text = reports.report_as_json(context.engine(), view.id, ReportId(report_id), version=_asked_version())
    return flask.Response(text, mimetype="application/json")


@blueprint.get("/<int:report_id>/document.pdf")
@requires(Permission.INCIDENT_READ)
def as_pdf(reference: str, report_id: int) -> flask.Response:
    view = context.incident_of(reference)
    content = report_papers.report_as_pdf(
        context.engine(),
        view.id,
        ReportId(report_id),
        context.parts().forms,
        language=context.language(),
        version=_asked_version(),
    )
    return _file(content, "application/pdf", f"{reference}-report-{report_id}.pdf")


@blueprint.get("/<int:report_id>/document.docx")
@requires(Permission.INCIDENT_READ)
def as_word(reference: str, report_id: int) -> flask.Response:
    view = context.incident_of(reference)
    content = report_papers.report_as_word(
        context.engine(),
        view.id,
        ReportId(report_id),
        context.parts().forms,
        language=context.language(),
        version=_asked_version(),
    )
    return _file(content, WORD, f"{reference}-report-{report_id}.docx")


def _file(content: bytes, media_type: str, name: str) -> flask.Response:
    return flask.Response(
        content, mimetype=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
