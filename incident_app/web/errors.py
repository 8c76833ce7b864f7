"""Refusals and failures as pages: said once, in the reader's language, with nothing typed lost."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import cast

import flask
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from incident_app.domain.errors import Forbidden, IncidentAppError, NotFound
from incident_app.services.accounts import NotAMember
from incident_app.web.context import FormShown, language, now
from incident_app.web.forms import sent
from incident_app.web.refusals import Refusal, field_name, fields_of, said
from incident_app.web.words import phrase

Answer = tuple[str, int]
log = logging.getLogger("incident_app")


def register(app: flask.Flask) -> None:
    """Map every error to its page."""
    app.register_error_handler(NotAMember, _not_found)
    app.register_error_handler(Forbidden, _forbidden)
    app.register_error_handler(IncidentAppError, _refused)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _failed)


def _page(status: int, title: str, text: str) -> Answer:
    return flask.render_template("errors/error.html", title=title, text=text, is_error=True), status


def _not_found(_error: Exception) -> Answer:
    return _page(404, phrase("error.not_found", language()), phrase("error.not_found_text", language()))


def _forbidden(_error: Forbidden) -> Answer:
    return _page(403, phrase("error.forbidden", language()), phrase("error.forbidden_text", language()))


def _refused(error: IncidentAppError) -> Answer:
    """Show the form again with the reason on top and everything typed still in it."""
    if isinstance(error, NotFound) and _is_in_address(error):
        return _not_found(error)
    view = flask.current_app.view_functions.get(flask.request.endpoint or "")
    shown: FormShown | None = getattr(view, "form_shown", None)
    try:
        if shown is not None:
            refusal = _refusal(error, shown)
            if flask.request.method == "POST" or refusal.fields:
                flask.g.refusal = refusal
                return _show(shown.page), 422
    except IncidentAppError as missing:  # the page itself is gone, as after a second click on the same button
        flask.g.refusal = None
        if isinstance(missing, NotFound) and flask.request.method == "GET":
            return _not_found(missing)
    if isinstance(error, NotFound) and flask.request.method == "GET":
        return _not_found(error)
    return _page(422, phrase("error.refused", language()), said(error, language(), now()))


def _is_in_address(error: NotFound) -> bool:
    """Tell whether it is the address itself that names what does not exist, or not for this incident."""
    name = str(error.facts.get("name", ""))
    return any(str(value) == name for value in (flask.request.view_args or {}).values())


def _refusal(error: IncidentAppError, shown: FormShown) -> Refusal:
    """Say the refusal, and at which fields of which form."""
    arguments = flask.request.view_args or {}
    names = shown.names(**arguments) if shown.names else {}
    form = shown.form or flask.request.endpoint or ""
    fields = fields_of(error, sent())
    return Refusal(
        text=said(error, language(), now(), names, form=flask.request.endpoint or ""),
        fields={field: field_name(field, language(), names, form=form) for field in fields},
        action=flask.url_for(form, **arguments),
    )


def _show(page: str) -> str:
    """Show a page as its view does, with the arguments of the address that it takes."""
    view = cast("Callable[..., str]", flask.current_app.view_functions[page])
    taken = {argument for rule in flask.current_app.url_map.iter_rules(page) for argument in rule.arguments}
    arguments = flask.request.view_args or {}
    return view(**{name: value for name, value in arguments.items() if name in taken})


def _stale_form(_error: CSRFError) -> Answer:
    return _page(400, phrase("error.stale", language()), phrase("error.stale_text", language()))


def _http(error: HTTPException) -> Answer:
    if error.code == 404:  # noqa: PLR2004
        return _not_found(error)
    return _page(error.code or 500, phrase("error.refused", language()), error.name)


def _failed(error: Exception) -> Answer:
    """Log the kind of failure under a number, without its values: those may hold personal data."""
    number = f"E-{secrets.token_hex(2).upper()}"
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    where = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}" if traceback else "unknown place"
    log.error("%s: %s at %s", number, type(error).__name__, where)
    flask.g.failing = True
    return _page(500, phrase("error.failed", language()), phrase("error.failed_text", language(), number=number))
