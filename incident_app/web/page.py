"""What templates may use: phrases, times, numbers, and the parts of an incident's page."""

from __future__ import annotations

from collections.abc import Iterable

import flask
from flask_login import current_user

from incident_app.domain.access import Permission
from incident_app.domain.zones import JST
from incident_app.services import approvals, bounces_shown, incidents, obligations, timeline, waves
from incident_app.services.impact_views import get_impact
from incident_app.services.incidents import IncidentView
from incident_app.services.jobs import JobView
from incident_app.web import context, times
from incident_app.web.forms import field_id, form_at
from incident_app.web.refusals import problem, said, worded
from incident_app.web.words import phrase

STEPS = (
    (
        "look",
        (
            ("scope", "scope.show"),
            ("impact", "impact.show"),
            ("counts", "counts.show"),
            ("severity", "severity.show"),
        ),
    ),
    ("judge", (("obligations", "obligations.show"), ("reports", "reports.show"), ("steps", "steps.show"))),
    (
        "tell",
        (
            ("notices", "notices.show"),
            ("dispatch", "dispatch.show"),
            ("unreached", "unreached.show"),
            ("letters", "letters.show"),
            ("outcomes", "outcomes.show"),
            ("addresses", "addresses.show"),
            ("publications", "publications.show"),
            ("parties", "parties.show"),
        ),
    ),
    ("keep", (("commitment", "commitment.show"), ("timeline", "timeline.show"))),
)


def register(app: flask.Flask, *, version: str) -> None:
    """Give templates their words and values."""
    app.jinja_env.globals.update(
        t=lambda key, **values: phrase(key, context.language(), **values),
        pick=lambda thing, name: getattr(thing, f"{name}_{context.language()}"),
        lang=context.language,
        here=_here,
        named=context.named_in,
        moment=lambda value: times.shown(value, context.language(), now=context.now()) if value else "−",
        iso=lambda value: value.astimezone(JST).isoformat(),
        remaining=lambda due: times.remaining(due, context.now(), context.language()),
        finished=lambda at, due: times.finished(at, due, context.now(), context.language()),
        options=_options,
        form_at=form_at,
        field_id=field_id,
        problem=lambda text: problem(text, context.language(), context.now()),
        worded=lambda text: worded(text, context.language(), context.now()),
        why_failed=_why_failed,
        may=_may,
        app_version=version,
        Permission=Permission,
    )
    app.jinja_env.filters["number"] = lambda value: f"{value:,}"
    app.context_processor(_around)
    app.add_url_rule("/healthz", "healthz", lambda: ("ok\n", 200, {"Content-Type": "text/plain"}))


def _options(group: str, codes: Iterable[object]) -> list[tuple[str, str]]:
    """Return the choices of a field: each code with its words from a group of the catalogue."""
    return [(str(code), phrase(f"{group}.{code}", context.language())) for code in codes]


def _why_failed(job: JobView) -> str | None:
    """Say why a job failed: a refusal in the words of the pages, a failure of the program as the worker noted it."""
    if job.refusal is not None:
        return said(job.refusal, context.language(), context.now())
    return job.error_ja if context.language() == "ja" else job.error_en


def _here() -> str:
    """Return the address of this page with what was asked of it, to come back to after a change of language."""
    return flask.request.full_path if flask.request.query_string else flask.request.path


def _may(permission: Permission) -> bool:
    return bool(current_user.is_authenticated) and permission in context.account().permissions


def _around() -> dict[str, object]:
    """Return what the frame of every page shows."""
    if flask.g.get("failing") or not current_user.is_authenticated:  # the page of a failure must not fail again
        return {
            "who": None,
            "waiting": 0,
            "returned_mail": 0,
            "now": context.now(),
            "refusal": flask.g.get("refusal"),
            "is_error": False,
        }
    mine = {view.id for view in incidents.list_incidents(context.engine(), context.account())}
    waiting = sum(row.incident_id in mine for row in approvals.pending_approvals(context.engine()))
    return {
        "who": context.account(),
        "waiting": waiting,
        "returned_mail": bounces_shown.count_open_items(context.engine()) if _may(Permission.DISPATCH_RUN) else 0,
        "now": context.now(),
        "refusal": flask.g.get("refusal"),
        "is_error": False,
    }


def incident_page(template: str, incident: IncidentView, **values: object) -> str:
    """Render a page of an incident with its head: identity, nearest deadline, and the steps."""
    engine = context.engine()
    duties = obligations.list_obligations(engine, incident.id)
    dated = [duty for duty in duties if duty.is_live and duty.due_at is not None]
    coming = [duty for duty in dated if duty.due_at and duty.due_at >= context.now()]
    overdue = [duty for duty in dated if duty.due_at and duty.due_at < context.now()]
    return flask.render_template(
        template,
        incident=incident,
        next_duty=next(iter([*coming, *overdue]), None),
        overdue=overdue,
        duties=duties,
        steps_of_page=STEPS,
        impact_now=get_impact(engine, incident.id),
        **values,
    )


def overview_values(incident: IncidentView) -> dict[str, object]:
    """Return what the overview of an incident shows beyond its head."""
    engine = context.engine()
    entries = timeline.entries(engine, incident.id)
    return {
        "entries": entries[-8:][::-1],
        "entry_count": len(entries),
        "campaigns": waves.list_campaigns(engine, incident.id),
        "pending": approvals.pending_approvals(engine, incident.id),
    }
