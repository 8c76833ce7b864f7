"""Signing in and out, and the language of the pages."""

from __future__ import annotations

from urllib.parse import urlsplit

import flask
from flask_login import current_user, login_user, logout_user
from werkzeug.wrappers import Response

from incident_app.domain.digests import utc_text
from incident_app.services.accounts import Account
from incident_app.services.accounts import sign_in as check_password
from incident_app.services.accounts import sign_out as end_sessions
from incident_app.web import context
from incident_app.web.context import LANGUAGES, SignedIn, shown_at

blueprint = flask.Blueprint("session", __name__)
BEGUN = "begun"
"""Which sessions of the account were valid when this one began."""


def is_valid(account: Account) -> bool:
    """Tell whether the session of this request is one that its account has not ended."""
    return bool(flask.session.get(BEGUN) == utc_text(account.sessions_valid_from))


@blueprint.get("/sign-in")
def sign_in() -> str:
    return flask.render_template("session/sign_in.html", target=_target())


@blueprint.post("/sign-in")
@shown_at("session.sign_in")
def enter() -> Response:
    found = check_password(
        context.engine(),
        email=context.typed("email"),
        password=flask.request.form.get("password", ""),
        now=context.now(),
        hasher=flask.current_app.extensions["password_hasher"],
    )
    flask.session.clear()  # a session from before signing in is not carried over
    flask.session.permanent = True
    flask.session[BEGUN] = utc_text(found.sessions_valid_from)
    login_user(SignedIn(found))
    return flask.redirect(_target())


@blueprint.post("/sign-out")
def leave() -> Response:
    if current_user.is_authenticated:
        end_sessions(context.engine(), context.account().id, now=context.now())
    logout_user()
    flask.session.clear()
    return flask.redirect(flask.url_for("session.sign_in"))


@blueprint.get("/language/<code>")
def choose_language(code: str) -> Response:
    if code in LANGUAGES:
        flask.session["language"] = code
    return flask.redirect(_target())


def _target() -> str:
    """Return where to go next: a path of our own, never another site."""
    wanted = flask.request.values.get("next", "")
    if not wanted.isprintable():  # a line break would end the header, a tab is dropped by browsers: "/\t/evil"
        return flask.url_for("incidents.index")
    split = urlsplit(wanted)
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not split.scheme and not split.netloc
    return wanted if is_ours else flask.url_for("incidents.index")
