"""The forms of reports as data: fields in the order of whoever receives them, their words, choices and facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError
from incident_app.domain.report_facts import CHOSEN, FactList, ReportFact
from incident_app.domain.tables import Document, Table, unique_codes
from incident_app.domain.words import Words


class UnknownNames(IncidentAppError):
    """The form {form} has no {what} called {names}. Known: {known}."""

    ja = "様式 {form} に {names} という名前（{what}）はありません。使える名前：{known}。"


class Stage(StrEnum):
    """Which of a series of reports a form is: what is still open may be left open in the first of them."""

    PRELIMINARY = "preliminary"
    FOLLOW_UP = "follow_up"
    DEFINITIVE = "definitive"
    SINGLE = "single"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One of the answers that a field allows."""

    code: str
    words: Words


@dataclass(frozen=True, kw_only=True)
class Needed:
    """A field is needed only where another field of the form has one of these answers."""

    field: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One field of a form."""

    code: str
    item: str
    """The item of the law that it belongs to, e.g. "1" of the nine."""
    label: Words
    fact: str
    required: bool
    needed: Needed | None = None
    choices: tuple[Choice, ...] = ()
    hint: Words | None = None
    """What belongs into the field, for whoever fills it."""
    text: Words | None = None
    """What the field says while nobody has written anything else."""

    def choice(self, text: str) -> Choice | None:
        """Return the choice of that code or wording."""
        wanted = text.strip()
        return next((one for one in self.choices if wanted in {one.code, one.words.ja, one.words.en}), None)


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form: its fields in the order of whoever receives it."""

    code: str
    version: str
    title: Words
    addressee: Words
    source: str
    fields: tuple[FormField, ...]
    facts: Mapping[str, ReportFact]
    """What is known of the facts that the fields ask for."""
    stage: Stage = Stage.SINGLE
    letter: bool = False
    """The paper is read by anybody: headings and text, and nothing of the items and their state."""

    @property
    def digest(self) -> ContentDigest:
        """Return the digest of the form."""
        return digest_of(self)

    @property
    def standing_texts(self) -> Mapping[str, Words]:
        """Return what fields say while nobody has written anything else, by fact."""
        return {field.fact: field.text for field in self.fields if field.text}

    @property
    def field_codes(self) -> tuple[str, ...]:
        """Return the codes of its fields."""
        return tuple(field.code for field in self.fields)

    def still_asked(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return what was given for facts that this form asks for; an earlier version of it may have asked for more."""
        return {name: text for name, text in given.items() if name.removesuffix(".en") in self.facts}

    def check_names(self, given: Mapping[str, str], stated_gaps: Mapping[str, str]) -> None:
        """Refuse a fact that no field asks for and a gap of a field that is not there: neither would be seen."""
        facts, codes = [field.fact for field in self.fields], [field.code for field in self.fields]
        for what, names, known in (("fact", bare_names(given), facts), ("field", stated_gaps, codes)):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise UnknownNames(
                    form=self.code, what=what, names=", ".join(unknown), known=", ".join(dict.fromkeys(known))
                )


SharedFields: TypeAlias = Sequence[tuple[FormField, tuple[Stage, ...]]]
"""Fields that several forms share, each with the stages in which it is required."""


def bare_names(given: Mapping[str, str]) -> list[str]:
    """Return the names of typed facts; one that ends in .en is the English text of the fact."""
    return list(dict.fromkeys(name.removesuffix(".en") for name in given))


def read_part(text: str, *, file: str, facts: FactList) -> SharedFields:
    """Read fields that several forms share; FaultyFile names every fault."""
    document = Document(text, file=file)
    fields = _read_fields(document, facts)
    document.root.finish()
    document.finish()
    return fields


def read_form(text: str, *, file: str, facts: FactList, parts: Mapping[str, SharedFields] | None = None) -> Form:
    """Read a form.toml; FaultyFile names every fault.

    The fields of the parts that it names come first; a field of its own with the same code takes the place of that one.
    """
    document = Document(text, file=file)
    root = document.root
    stage = root.word("stage", Stage, Stage.SINGLE)
    known = dict(parts or {})
    named = root.all_known("parts", known.keys(), "part")
    shared = {field.code: (field, stages) for name in named for field, stages in known.get(name, ())}
    for code in root.all_known("left_out", shared.keys(), "field"):
        shared.pop(code, None)
    merged = shared | {field.code: (field, stages) for field, stages in _read_fields(document, facts, needed=not named)}
    fields = tuple(_at_stage(field, stages, stage) for field, stages in merged.values())
    _check_needs(root, fields)
    form = Form(
        code=root.text("code"),
        version=root.text("version"),
        title=Words(ja=root.text("title_ja"), en=root.text("title_en")),
        addressee=Words(ja=root.text("addressee_ja"), en=root.text("addressee_en")),
        source=root.text("source"),
        fields=fields,
        facts={field.fact: facts[field.fact] for field in fields if field.fact in facts},
        stage=stage,
        letter=root.truth("letter"),
    )
    root.finish()
    document.finish()
    return form


def _read_fields(document: Document, facts: FactList, *, needed: bool = True) -> SharedFields:
    tables = document.root.tables("fields", required=needed)
    unique_codes(tables)
    return tuple(_read_field(table, facts) for table in tables)


def _read_field(table: Table, facts: FactList) -> tuple[FormField, tuple[Stage, ...]]:
    fact = table.text("fact")
    if fact and fact not in facts:
        table.fault("fact", f"the fact {fact!r} is not defined in facts.toml")
    required = table.truth("required")
    field = FormField(
        code=table.text("code"),
        item=table.text("item"),
        label=Words(ja=table.text("label_ja"), en=table.text("label_en")),
        fact=fact,
        required=required,
        needed=_read_need(table),
        choices=_read_choices(table),
        hint=_words(table, "hint"),
        text=_words(table, "text"),
    )
    if fact in facts and (facts[fact].kind in CHOSEN) != bool(field.choices):
        table.fault("choices", "a fact that is chosen needs choices, any other has none")
    stages = tuple(sorted(table.words("required_in", Stage)))
    if required and stages:
        table.fault("required_in", "stands beside required; write one of them")
    table.finish()
    return field, stages


def _read_choices(table: Table) -> tuple[Choice, ...]:
    tables = table.tables("choices", required=False)
    unique_codes(tables)
    choices = []
    for entry in tables:
        choices.append(Choice(code=entry.text("code"), words=Words(ja=entry.text("ja"), en=entry.text("en"))))
        entry.finish()
    return tuple(choices)


def _read_need(table: Table) -> Needed | None:
    entry = table.table("required_when", required=False)
    field, answers = entry.find_text("field"), entry.texts("is")
    entry.finish()
    return Needed(field=field, answers=answers) if field else None


def _words(table: Table, key: str) -> Words | None:
    ja, en = table.find_text(f"{key}_ja"), table.find_text(f"{key}_en")
    if bool(ja) != bool(en):
        table.fault(f"{key}_ja", f"{key}_ja and {key}_en stand together")
    return Words(ja=ja.strip(), en=en.strip()) if ja and en else None


def _at_stage(field: FormField, stages: tuple[Stage, ...], stage: Stage) -> FormField:
    return replace(field, required=True) if stage in stages else field


def _check_needs(root: Table, fields: Sequence[FormField]) -> None:
    """Note a condition on a field that is not there, or on an answer that it does not allow."""
    by_code = {field.code: field for field in fields}
    for field in fields:
        if field.needed is None:
            continue
        other = by_code.get(field.needed.field)
        if other is None or other is field:
            root.fault(
                "fields", f"{field.code}: required_when names the field {field.needed.field!r}, not in this form"
            )
        elif unknown := [code for code in field.needed.answers if code not in {one.code for one in other.choices}]:
            root.fault("fields", f"{field.code}: required_when: {other.code} has no answer {', '.join(unknown)}")
