"""The factory: the one place that knows every part of the web application and joins them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import flask
from argon2 import PasswordHasher
from flask_login import LoginManager
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from jinja2 import FileSystemLoader, StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from incident_app import __version__
from incident_app.domain.ids import UserId
from incident_app.keys import make_home, own_key
from incident_app.paths import search_path, static_folder
from incident_app.persistence.database import Base, make_engine
from incident_app.rendering.notices import NoticeTemplates
from incident_app.rendering.reports import ReportForms
from incident_app.services.accounts import find_account
from incident_app.settings import Settings
from incident_app.web import (
    addresses,
    approvals,
    bounces,
    commitment,
    counts,
    customers,
    dispatch,
    errors,
    impact,
    incidents,
    inventory,
    letters,
    limits,
    merging,
    notices,
    obligations,
    outcomes,
    page,
    parties,
    publications,
    readiness,
    rehearsals,
    reports,
    rules,
    scope,
    session,
    severity,
    steps,
    timeline,
    unreached,
)
from incident_app.web.context import Parts, SignedIn

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
STRICT_TRANSPORT_SECONDS = 365 * 24 * 60 * 60
BLUEPRINTS = (
    session,
    customers,
    inventory,
    readiness,
    rules,
    incidents,
    scope,
    impact,
    counts,
    severity,
    merging,
    obligations,
    steps,
    notices,
    reports,
    approvals,
    dispatch,
    limits,
    rehearsals,
    bounces,
    unreached,
    letters,
    outcomes,
    addresses,
    publications,
    parties,
    timeline,
    commitment,
)


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def create_app(
    settings: Settings, *, clock: Callable[[], datetime] = utc_now, hasher: PasswordHasher | None = None
) -> flask.Flask:
    """Join settings, keys, database, templates and pages into one application."""
    make_home(settings.home)
    app = flask.Flask("incident_app", static_folder=str(static_folder()), static_url_path="/static")
    app.config.update(
        SECRET_KEY=own_key(settings.home, "session"),
        SESSION_COOKIE_SECURE=settings.proxy_hops > 0,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=settings.session_hours),
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        MAX_CONTENT_LENGTH=64 * 1024 * 1024,
        WTF_CSRF_TIME_LIMIT=None,  # a form may stay open for a whole shift; it dies with the session
    )
    if settings.proxy_hops:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign] # Flask's documented way to add middleware
            app.wsgi_app, x_for=settings.proxy_hops, x_proto=settings.proxy_hops, x_host=settings.proxy_hops
        )
    app.url_map.converters["int"] = Identity
    templates = search_path("templates", settings.home)
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_loader = FileSystemLoader([str(folder / "pages") for folder in templates])
    SQLAlchemy(app, model_class=Base)
    app.extensions["incident_app"] = Parts(
        engine=make_engine(settings.database_url),
        clock=clock,
        address_key=own_key(settings.home, "address"),
        uploads=settings.home / "uploads",
        evidence=settings.home / "evidence",
        sender_address=settings.sender_address,
        per_second=settings.smtp_per_second,
        message_domain=settings.bounce_domain,
        designated_operator=settings.designated_operator,
        templates=NoticeTemplates(templates),
        forms=ReportForms(templates),
    )
    app.extensions["password_hasher"] = hasher or PasswordHasher()
    _join_pages(app)
    return app


def _join_pages(app: flask.Flask) -> None:
    _join_sign_in(app)
    CSRFProtect(app)
    page.register(app, version=__version__)
    errors.register(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    app.after_request(_secure)
    app.before_request(_refuse_unwritable)


def _join_sign_in(app: flask.Flask) -> None:
    manager = LoginManager(app)
    manager.login_view = "session.sign_in"

    @manager.user_loader  # type: ignore[untyped-decorator] # the library ships no types
    def load(user_id: str) -> SignedIn | None:
        account = find_account(app.extensions["incident_app"].engine, UserId(int(user_id)))
        return SignedIn(account) if account and session.is_valid(account) else None


class Identity(IntegerConverter):
    """A number in an address: eighteen digits fit every database, more belong to nothing that exists."""

    regex = "[0-9]{1,18}"


def _refuse_unwritable() -> None:
    """Refuse NUL in addresses and fields: no browser sends it and PostgreSQL cannot hold it."""
    request = flask.request
    words = [*(request.view_args or {}).values(), *request.values.values()]
    if any("\0" in word for word in words if isinstance(word, str)):
        flask.abort(400)


def _secure(response: flask.Response) -> flask.Response:
    """Close what a browser would leave open; pages are never kept in caches."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Never sent to another site; over TLS our own forms are taken only with it (Flask-WTF compares it with the host).
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Frame-Options"] = "DENY"
    if flask.current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers["Strict-Transport-Security"] = f"max-age={STRICT_TRANSPORT_SECONDS}"
    if flask.request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
