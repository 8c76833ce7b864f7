"""The pages of the rules: which law and contracts are loaded, how each counts, and one date computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import flask

from incident_app.domain.access import Permission
from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.known_facts import FACTS, NUMBERS, WORDS
from incident_app.domain.words import Words
from incident_app.services import deadline_rules
from incident_app.services.deadline_rules import RuleView
from incident_app.web import context
from incident_app.web.context import requires, shown_at
from incident_app.web.times import typed_moment
from incident_app.web.words import catalogue, phrase

blueprint = flask.Blueprint("rules", __name__, url_prefix="/rules")
GROUPS = {
    "flags": "flag",
    "relations": "person",
    "our_roles": "our_role",
    "business_lines": "business_line",
    "harms": "harm",
    "rings": "certainty",
}
"""Where the catalogue keeps the words of a fact."""


@dataclass(frozen=True, kw_only=True)
class AskedFact:
    """A fact that a rule asks for, as a field of the form."""

    name: str
    label: str
    kind: str
    """truth, number, words (a closed set) or codes."""
    options: tuple[tuple[str, str], ...] = ()


@blueprint.get("")
@requires(Permission.INVENTORY_READ)
def index() -> str:
    found = _rules()
    regimes: dict[str, list[RuleView]] = {}
    for rule in found:
        regimes.setdefault(rule.regime, []).append(rule)
    ordered = sorted(regimes.values(), key=lambda rules: not any(rule.is_on for rule in rules))
    return flask.render_template(
        "rules/index.html",
        regimes=ordered,
        calendars=deadline_rules.list_calendars(context.engine()),
        fact_names=fact_names(),
    )


@blueprint.get("/<regime>/<entry>")
@requires(Permission.INVENTORY_READ)
def one(regime: str, entry: str) -> str:
    return _page(_rule(regime, entry))


def fact_names(**_place: str) -> dict[str, str]:
    """Return what the reader calls each fact, by its code."""
    return {code: context.named_in(Words(ja=names[0], en=names[1])) for code, names in FACTS.items()}


@blueprint.get("/<regime>/<entry>/date")
@requires(Permission.INVENTORY_READ)
@shown_at("rules.one", names=fact_names)
def count(regime: str, entry: str) -> str:
    rule = _rule(regime, entry)
    at = typed_moment(flask.request.args.get("aware_at", ""), field="aware_at")
    if at is None:
        raise BadInput(field="aware_at", problem="say when the clock began")
    facts = _typed_facts(rule)
    found = deadline_rules.compute(
        context.engine(),
        rule.regime,
        rule.entry,
        at,
        facts=[f"{name}={value}" for name, value in facts.items()],
        designated_operator=context.parts().designated_operator,
    )
    return _page(rule, found=found, at=at)


def _page(rule: RuleView, *, found: deadline_rules.Computed | None = None, at: datetime | None = None) -> str:
    return flask.render_template(
        "rules/one.html",
        rule=rule,
        facts=[_asked(name) for name in rule.facts],
        fact_names=fact_names(),
        form_title=_form_title(rule),
        found=found,
        at=at,
        given=flask.request.args,
    )


def _form_title(rule: RuleView) -> Words | None:
    """Return what the form of a report is called; None where none is there or the file is faulty."""
    usable, _ = context.parts().forms.usable()
    return next((form.title for form in usable if form.code == rule.form), None)


def _rules() -> list[RuleView]:
    return deadline_rules.list_rules(context.engine(), designated_operator=context.parts().designated_operator)


def _rule(regime: str, entry: str) -> RuleView:
    found = next((rule for rule in _rules() if (rule.regime, rule.entry) == (regime, entry)), None)
    if found is None:
        raise NotFound(what="report", name=entry)
    return found


def _typed_facts(rule: RuleView) -> Mapping[str, str]:
    """Return the facts that were given; a field that was left alone gives none."""
    typed = {name: ",".join(flask.request.args.getlist(name)).strip() for name in rule.facts}
    return {name: text for name, text in typed.items() if text}


def _asked(name: str) -> AskedFact:
    language = context.language()
    label = fact_names()[name]
    words = WORDS.get(name)
    if words is not None:
        keys = {f"{GROUPS[name]}.{word}": word for word in words}
        options = tuple((keys[key], phrase(key, language)) for key in catalogue() if key in keys)
        return AskedFact(name=name, label=label, kind="words", options=options)
    if name in NUMBERS or name in WORDS:
        return AskedFact(name=name, label=label, kind="number" if name in NUMBERS else "codes")
    answers = (("", "rules.not_given"), ("yes", "page.yes"), ("no", "page.no"), ("unknown", "rules.open"))
    return AskedFact(
        name=name, label=label, kind="truth", options=tuple((word, phrase(key, language)) for word, key in answers)
    )
