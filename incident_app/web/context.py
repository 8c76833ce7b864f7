"""What every view shares: the engine, the clock, who is signed in, the language, and the guards."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import flask
from flask_login import UserMixin, current_user
from sqlalchemy.engine import Engine

from incident_app.domain.access import Permission
from incident_app.domain.words import Words
from incident_app.rendering.notices import NoticeTemplates
from incident_app.rendering.reports import ReportForms
from incident_app.services import accounts, incidents, inventory
from incident_app.services.incidents import IncidentView
from incident_app.services.preview import PreviewCache
from incident_app.web.words import phrase

View = TypeVar("View", bound=Callable[..., Any])
LANGUAGES = ("ja", "en")


class SignedIn(UserMixin):  # type: ignore[misc] # the library ships no types
    """The signed-in person, as the session library wants to see them."""

    def __init__(self, account: accounts.Account) -> None:
        self.id = account.id
        self.account = account


class Parts:
    """What the factory hands to the pages."""

    def __init__(
        self,
        *,
        engine: Engine,
        clock: Callable[[], datetime],
        address_key: bytes,
        uploads: Path,
        evidence: Path,
        sender_address: str,
        per_second: int,
        message_domain: str,
        designated_operator: bool,
        templates: NoticeTemplates,
        forms: ReportForms,
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.address_key = address_key
        self.uploads = uploads
        self.evidence = evidence
        self.sender_address = sender_address
        self.per_second = per_second
        self.message_domain = message_domain
        self.designated_operator = designated_operator
        self.templates = templates
        self.forms = forms
        self.preview_cache = PreviewCache()

    @property
    def profiles(self) -> Path:
        """Where column profiles are kept, by name."""
        return self.uploads.parent / "profiles"


def parts() -> Parts:
    """Return what the factory handed over."""
    return cast("Parts", flask.current_app.extensions["incident_app"])


def engine() -> Engine:
    return parts().engine


def now() -> datetime:
    return parts().clock()


def account() -> accounts.Account:
    """Return the signed-in person."""
    return cast("SignedIn", current_user).account


def language() -> str:
    """Return the language of the page: chosen in the session, else that of the account, else Japanese."""
    chosen = flask.session.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    return account().language if current_user.is_authenticated else "ja"


def requires(permission: Permission) -> Callable[[View], View]:
    """Guard a view: somebody is signed in and has the permission."""

    def guard(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passes through whatever the view takes
            if not current_user.is_authenticated:
                return flask.redirect(flask.url_for("session.sign_in", next=flask.request.full_path))
            accounts.require(account(), permission)
            return view(*args, **kwargs)

        guarded.permission = permission  # type: ignore[attr-defined] # read by the test that walks all routes
        return cast("View", guarded)

    return guard


def incident_of(reference: str) -> IncidentView:
    """Return an incident that the signed-in person belongs to; anything else does not exist for them."""
    return incidents.get_incident(engine(), reference, account())


@dataclass(frozen=True, kw_only=True)
class FormShown:
    """Where the form of a view stands, so that a refusal shows it again with everything that was typed."""

    page: str
    """The view that shows the page."""
    form: str | None
    """The view that the form is sent to, where this one only answers to a further button of it."""
    names: Callable[..., Mapping[str, str]] | None
    """What the page calls the things that a refusal may name by their codes, in the reader's language."""


def shown_at(
    page: str, *, form: str | None = None, names: Callable[..., Mapping[str, str]] | None = None
) -> Callable[[View], View]:
    """Say which page shows the form of this view, and under which names it shows things."""

    def remember(view: View) -> View:
        view.form_shown = FormShown(page=page, form=form, names=names)  # type: ignore[attr-defined] # read by web.errors
        return view

    return remember


def named_in(words: Words) -> str:
    """Return the words of the reader's language."""
    return words.ja if language() == "ja" else words.en


def typed(name: str) -> str:
    """Return what was typed into a field."""
    return flask.request.form.get(name, "").strip()


LONGEST_NUMBER = 18
"""Digits that every database can hold."""


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number that something can have; "²" is a digit and no number."""
    return text.isdecimal() and len(text) <= LONGEST_NUMBER


def names_of_data(**_place: str) -> dict[str, str]:
    """Return what the reader calls each store, company, item and category of the inventory, by its code."""
    at = 0 if language() == "ja" else 1
    return {code: names[at] for code, names in inventory.names(engine()).items()}


def done(key: str, **values: object) -> None:
    """Tell the reader on the next page what happened."""
    flask.flash(phrase(key, language(), **values))
