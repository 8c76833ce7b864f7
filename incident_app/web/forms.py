"""Forms on pages: which of a page's forms was refused, what was typed into it, and which field it was about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import flask
from werkzeug.datastructures import MultiDict

from incident_app.web.refusals import Refusal


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form of a page, known by the address it is sent to."""

    action: str
    refusal: Refusal | None
    """Set when this very form was sent and refused."""

    def at(self, name: str, value: object = None) -> str:
        """Return the id of a field, or of one choice of it: unique on the page, though several forms ask for it."""
        return field_id(self.action, name if value is None else f"{name}-{value}")

    def typed(self, name: str, default: object = "") -> str:
        """Return what was typed before a refusal, else the default."""
        return sent().get(name, "") if self.refusal else str(default)

    def chosen(self, name: str, value: object, *, default: bool = False) -> bool:
        """Tell whether a box was ticked or a choice was made before a refusal, else the default."""
        return str(value) in sent().getlist(name) if self.refusal else default

    def fault(self, name: str) -> str | None:
        """Return what was wrong with a field, if the refusal was about it."""
        return self.refusal.text if self.refusal and name in self.refusal.fields else None

    def told_by(self, name: str, *, hint: str = "") -> str:
        """Return the ids of what describes a field: its hint, and what was wrong with it."""
        parts: Iterable[str] = ("hint",) if hint else ()
        return " ".join(self.at(name, part) for part in (*parts, *(("fault",) if self.fault(name) else ())))

    @property
    def is_open(self) -> bool:
        """Tell whether a folded form must be unfolded, because it was refused."""
        return self.refusal is not None


def sent() -> MultiDict[str, str]:
    """Return what the form at hand sent, in the order of its fields; a look-up sends it in its address."""
    return flask.request.form if flask.request.method == "POST" else flask.request.args


def form_at(action: str) -> Form:
    """Return the form that is sent to `action`."""
    refusal: Refusal | None = flask.g.get("refusal")
    return Form(action=action, refusal=refusal if refusal and refusal.action == action else None)


def field_id(action: str, name: str) -> str:
    """Return the id of a field from the end of its form's address and its name."""
    place = "-".join(action.strip("/").split("/")[-2:])
    return re.sub(r"[^A-Za-z0-9]+", "-", f"f-{place}-{name}")
