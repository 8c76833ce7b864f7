"""Refusals in the words of the pages: whole sentences in the reader's language, and the fields they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from incident_app.domain.customers import RowsRefused
from incident_app.domain.errors import BadInput, IllegalMove, IncidentAppError, NotFound
from incident_app.domain.given_facts import FactNotUnderstood, FactsContradict
from incident_app.domain.incidents import ReasonNeeded
from incident_app.domain.notices import MARK, MissingFacts
from incident_app.domain.reports import GapsNotStated
from incident_app.domain.vocabulary import Certainty, ListRelation
from incident_app.services.approved_content import LanguageMissing
from incident_app.services.deadline_rules import NotInForce
from incident_app.services.dispatch import WrongCount
from incident_app.services.people import NumbersUnknown
from incident_app.services.person_counts import CountDoubted
from incident_app.services.steps import StepBlocked
from incident_app.web import times
from incident_app.web.words import catalogue, phrase

REASONS = ("aware_reason", "reason", "result")
"""The fields that ask for a reason, under whichever name the form at hand has one."""
UNSENT = ("answer", "harms", "file")
"""Fields that a browser leaves out of what it sends when nothing was chosen."""
NUMBERS = ("numbers", "number")
"""The fields that ask for customer numbers."""
FOREIGN = "en"
"""Rules state what is wrong in English; the catalogue holds the same sentence in every language of the pages."""
AND = "; "
FROM_RULES = ("problem.", "row.")
"""The groups of the catalogue that hold the sentences of the rules."""
STATES = {
    "incident": "phase",
    "step": "work",
    "campaign": "campaign",
    "obligation": "duty",
    "report": "filing",
    "delivery": "delivery",
    "batch": "batch",
}
"""Where the catalogue keeps the names of a thing's states."""
LISTS = {MissingFacts: "facts", GapsNotStated: "fields", StepBlocked: "waiting_for", LanguageMissing: "languages"}
"""Refusals that name several things by their codes, and the fact that holds the codes."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why something was not accepted."""

    text: str
    fields: Mapping[str, str]
    """The fields of the form that must be looked at again, with their names; none when no single field is at fault."""
    action: str
    """The address of the form."""


def said(
    error: IncidentAppError, language: str, now: datetime, names: Mapping[str, str] | None = None, *, form: str = ""
) -> str:
    """Say a refusal in the reader's language, with times in Japan time and things by their names on the pages."""
    names = {**_languages(language), **_words_of_scopes(language), **(names or {})}
    facts = {
        name: _called(value, names, language) or _readable(value, language, now) for name, value in error.facts.items()
    }
    if isinstance(error, BadInput):
        code = str(error.facts["field"])
        facts["field"] = field_name(code, language, names, form=form)
        if "problem" in error.facts:
            facts["problem"] = problem(str(error.facts["problem"]), language, now)
    elif isinstance(error, NotFound) and "what" in error.facts:
        facts["what"] = _named("thing", error.facts["what"], language)
    elif isinstance(error, IllegalMove):
        facts["thing"] = _named("thing", error.facts["thing"], language)
        facts["state"] = _named(STATES.get(str(error.facts["thing"]), "state"), error.facts["state"], language)
        facts["event"] = _named("event", error.facts["event"], language)
    elif isinstance(error, RowsRefused):
        facts["reason"] = problem(str(error.facts["reason"]), language, now).rstrip(".")  # the sentence around it ends
    elif listed := LISTS.get(type(error)):
        comma = phrase("page.comma", language)
        facts[listed] = comma.join(names.get(code, code) for code in _codes(error.facts[listed]))
    return error.message(language, **facts)


def fields_of(error: IncidentAppError, given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields of the form `given` that an error is about."""
    wanted: Iterable[str] = ()
    if isinstance(error, BadInput):
        wanted = _fields_called(str(error.facts["field"]), given)
    elif isinstance(error, (ReasonNeeded, CountDoubted)):
        wanted = REASONS
    elif isinstance(error, WrongCount):
        wanted = ("count",)
    elif isinstance(error, NumbersUnknown):
        wanted = NUMBERS
    elif isinstance(error, MissingFacts):
        missing = [field for code in _codes(error.facts["facts"]) for field in _in_any_language(code, given)]
        wanted = [field for field in missing if not given[field].strip()]
    elif isinstance(error, GapsNotStated):
        wanted = [f"gap.{code}" for code in _codes(error.facts["fields"])]
    elif isinstance(error, (FactNotUnderstood, FactsContradict)):
        wanted = (str(error.facts.get("given", error.facts.get("first"))).partition("=")[0],)
    elif isinstance(error, NotInForce):
        wanted = ("aware_at",)
    elif isinstance(error, NotFound):
        asked = str(error.facts.get("name", ""))
        wanted = [field for field, value in given.items() if asked and value.strip() == asked]
    wanted = set(wanted)
    return tuple(field for field in (*given, *(field for field in UNSENT if field not in given)) if field in wanted)


def field_name(code: str, language: str, names: Mapping[str, str], *, form: str = "") -> str:
    """Return what the pages call a field: as this form does, as most forms do, or as the data do."""
    text, _, last = code.rpartition(".")
    if last in names:
        texts = _languages(language)
        return phrase("page.of_text", language, name=names[last], text=texts[text]) if text in texts else names[last]
    key = LABELS.get(f"{form}:{code}") or LABELS.get(code)
    return phrase(key, language) if key else _named("field", code, language)


def problem(text: str, language: str, now: datetime) -> str:
    """Say what a rule found wrong as a sentence in the reader's language."""
    sentence = worded(text, language, now)
    return sentence if language != FOREIGN else f"{sentence[0].upper()}{sentence[1:].rstrip('.')}."


def worded(text: str, language: str, now: datetime) -> str:
    """Say what a rule says in English in the reader's language."""
    for pattern, words in _sentences():
        if found := pattern.fullmatch(text):
            facts = {name: _readable(value, language, now) for name, value in found.groupdict().items()}
            return words[language].format(**facts)
    parts = text.split(AND)
    if len(parts) > 1 and all(map(is_known, parts)):  # several remarks about one line
        return " ".join(worded(part, language, now) for part in parts)
    return text


def is_known(text: str) -> bool:
    """Tell whether the catalogue has the words of a rule in every language."""
    return any(pattern.fullmatch(text) for pattern, _ in _sentences())


def _fields_called(code: str, given: Mapping[str, str]) -> Iterable[str]:
    if code == "reason":
        return REASONS
    texts = _in_any_language(code, given)
    marked = [field for field in texts if MARK in given[field]]
    chosen = [field for field, value in given.items() if value == code]
    return (code, *(marked or texts), *chosen)


def _in_any_language(code: str, given: Mapping[str, str]) -> list[str]:
    return [field for field in given if field.rpartition(".")[2] == code and "." in field]


def _codes(text: object) -> list[str]:
    return str(text).split(", ")


def _languages(language: str) -> Mapping[str, str]:
    return {code: phrase(f"language.{code}", language) for code in ("ja", "en")}


def _words_of_scopes(language: str) -> Mapping[str, str]:
    certainties = {word.value: phrase(f"certainty.{word}", language) for word in Certainty}
    return certainties | {word.value: phrase(f"relation.{word}", language) for word in ListRelation}


def _called(value: object, names: Mapping[str, str], language: str) -> str | None:
    """Return what the page calls one thing or several, given by their codes; None when it does not know them all."""
    codes = _codes(value)
    return phrase("page.comma", language).join(names[code] for code in codes) if set(codes) <= set(names) else None


def _named(group: str, code: object, language: str) -> str:
    """Return the name of a thing or a state; what has none is a name from the data and stays as it is."""
    words = catalogue().get(f"{group}.{re.sub(r'[ -]', '_', str(code))}")
    return words[language] if words else str(code)


def _readable(value: object, language: str, now: datetime) -> str:
    text = str(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return times.shown(moment, language, now=now) if moment.tzinfo else text


@lru_cache(maxsize=1)
def _sentences() -> list[tuple[re.Pattern[str], Mapping[str, str]]]:
    """Return the sentences of the rules as patterns, each with its words."""
    return [
        (re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(words[FOREIGN]))), words)
        for key, words in catalogue().items()
        if key.startswith(FROM_RULES)
    ]


LABELS = {
    "contract": "parties.contract_reference",
    "customer": "parties.customer",
    "direction": "parties.direction",
    "hours": "parties.contract_hours",
    "items_known": "parties.items",
    "parties.record:kind": "parties.kind",
    "parties.record:at": "parties.at",
    "parties.record:party": "parties.company",
    "parties.set_number:kind": "counts.kind",
    "parties.set_number:reason": "counts.reason",
    "parties.record_sheet:at": "parties.at",
    "starts_clock": "parties.starts_clock",
    "at": "obligations.began_at",
    "address": "addresses.address",
    "addresses": "outcomes.addresses",
    "addresses.correct:reason": "bounces.how_known",
    "addresses.correct:source": "addresses.source",
    "addresses.load:reason": "bounces.how_known",
    "addresses.load:source": "addresses.source",
    "answer": "obligations.answer",
    "approvals.reject:reason": "approvals.reject_reason",
    "aware_at": "incident.aware_at",
    "category": "thing.category",
    "channel": "reports.channel",
    "certainty": "scope.certainty",
    "column": "scope.columns",
    "confirmed_at": "involved.when",
    "contact": "involved.contact",
    "count": "dispatch.type_count",
    "counts.set_number:subject": "counts.subject",
    "counts.set_number:kind": "counts.kind",
    "counts.set_number:reason": "counts.reason",
    "detected_at": "incident.detected_at",
    "encoding": "scope.encoding",
    "evidence": "scope.evidence",
    "entry": "scope.entry",
    "email": "session.email",
    "fact": "obligations.fact",
    "file": "scope.file",
    "format": "timeline.format",
    "harms": "scope.harms",
    "how": "dispatch.how",
    "known_by": "incident.known_by",
    "incidents.awareness:reason": "incident.aware_reason",
    "items": "impact.items",
    "merging.dismiss:reason": "merging.reason_dismiss",
    "merging.propose_by_hand:reason": "merging.reason_same",
    "merging.undo:reason": "merging.reason_undo",
    "kind": "incident.kind",
    "lists": "scope.list",
    "name": "involved.name",
    "notice_id": "dispatch.notice",
    "number": "impact.customer_number",
    "numbers": "dispatch.numbers",
    "occurred_at": "timeline.when",
    "occurred_from": "incident.occurred_from",
    "occurred_until": "incident.occurred_until",
    "party": "scope.party",
    "password": "session.password",
    "printed_on": "letters.printed_on",
    "phone": "publications.phone",
    "place": "publications.place",
    "publications.add:hours": "publications.hours",
    "publications.add:text": "publications.text",
    "published_at": "publications.published_at",
    "purpose": "timeline.purpose",
    "reason": "obligations.reason",
    "receipt": "reports.receipt",
    "reports.file:file": "reports.proof",
    "submitted_at": "reports.submitted_at",
    "relation": "scope.relation",
    "resolution": "dispatch.resolution",
    "result": "steps.result",
    "rules.count:aware_at": "rules.began_at",
    "scope": "step.scope",
    "source": "scope.source",
    "standing": "impact.standing",
    "steps.skip:reason": "steps.result",
    "store": "scope.store",
    "stores": "scope.store",
    "subject": "approvals.what",
    "sure": "involved.sure",
    "text": "timeline.what",
    "title": "incident.title",
    "touched_from": "scope.from",
    "touched_until": "scope.until",
    "until": "publications.until",
    "url": "publications.url",
    "user_id": "incident.member",
    "wave": "outcomes.which",
}
"""What a page calls the field of each rule, as a key of the catalogue; "form:field" where one form differs."""
