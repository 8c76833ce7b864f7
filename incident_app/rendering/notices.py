"""Notices: a strict, sandboxed template once per version and language, then one cheap splice per person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from incident_app.domain.digests import ContentDigest, digest_of
from incident_app.domain.errors import IncidentAppError, NotFound
from incident_app.domain.notices import (
    PERSONAL,
    KindOfNotice,
    NoticeFact,
    PersonalFacts,
    Statement,
    check_facts,
    read_facts,
    read_kind,
)
from incident_app.domain.vocabulary import Language
from incident_app.domain.words import Words
from incident_app.paths import read_text
from incident_app.rendering.template_limits import check_template

PARTS = ("subject.txt", "body.txt", "body.html")
ABOUT = "kind.toml"
_PLACEHOLDER = re.compile(r"\[\[\s*([a-z_]+)\s*\]\]")
LONGEST_TEXT = 200_000
"""Characters of one part of a notice: a mail that anybody reads is far shorter."""
FILTERS = frozenset({"default", "d", "e", "escape", "first", "join", "last", "length", "lower", "trim", "upper"})
METHODS = frozenset({"splitlines", "strip", "split", "startswith", "endswith", "lower", "upper"})
"""What a template may call: none of them makes a text longer than it was."""
BULLETS = {"ja": "・", "en": "- "}


class TemplateFaulty(IncidentAppError):
    """The template {file} cannot be used: {problem}."""

    ja = "テンプレート {file} を使えません：{problem}。"


@dataclass(frozen=True, kw_only=True)
class NoticeText:
    """One language of a drafted notice, with its personal placeholders still in it."""

    subject: str
    text: str
    html: str
    template_digest: ContentDigest
    content_digest: ContentDigest
    template_texts: Mapping[str, str]


class TextSandbox(SandboxedEnvironment):
    """A template joins texts: it cannot multiply, raise to a power or format, which make a huge text of a few words."""

    intercepted_binops = frozenset({"*", "**", "%", "//"})
    deepest_loop = 2

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - whatever an environment is made with
        super().__init__(undefined=StrictUndefined, **options)
        self.globals.clear()  # a text needs facts, not functions
        for name in set(self.filters) - FILTERS:
            del self.filters[name]

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        check_template(template, deepest=self.deepest_loop, name=name)
        return template

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401, ARG002
        raise SecurityError(f"the operator {operator} is not known in a notice")

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401 - whatever a template names
        return super().is_safe_callable(obj) and getattr(obj, "__name__", "") in METHODS


class NoticeTemplates:
    """The notice templates of an instance: folders kind/language with three parts and their facts."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [root / "notices" for root in roots if (root / "notices").is_dir()]
        self._text = self._environment(escaped=False)
        self._html = self._environment(escaped=True)

    def _environment(self, *, escaped: bool) -> SandboxedEnvironment:
        return TextSandbox(
            loader=FileSystemLoader([str(root) for root in self._roots]),
            autoescape=escaped,
            keep_trailing_newline=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of notice that have templates."""
        return tuple(sorted({folder.name for root in self._roots for folder in root.iterdir() if folder.is_dir()}))

    def about(self, kind: str) -> KindOfNotice:
        """Return what a kind is for; one without a kind.toml goes to everybody."""
        name = f"{kind}/{ABOUT}"
        for root in self._roots:
            if (root / kind).is_dir():
                if (root / name).is_file():
                    return read_kind(read_text(root / name), file=name)
                break
        return KindOfNotice(title=Words(ja=kind, en=kind))

    def languages(self, kind: str) -> tuple[str, ...]:
        """Return the languages in which a kind has templates."""
        found = {folder.name for root in self._roots if (root / kind).is_dir() for folder in (root / kind).iterdir()}
        return tuple(sorted(found & set(Language)))

    def facts_needed(self, kind: str, language: str) -> tuple[NoticeFact, ...]:
        """Return the facts that a text needs, after checking that its parts ask for exactly those."""
        name = f"{kind}/{language}/facts.toml"
        facts = read_facts(self._source(name), file=name)
        known = {fact.name for fact in facts}
        asked: set[str] = set()
        for part in PARTS:
            asked |= self._asked(f"{kind}/{language}/{part}", known)
        if unused := sorted(known - asked):
            raise TemplateFaulty(file=name, problem=f"no part uses the fact {', '.join(unused)}")
        return facts

    def _asked(self, name: str, known: set[str]) -> set[str]:
        try:
            asked = meta.find_undeclared_variables(self._text.parse(self._source(name)))
        except TemplateSyntaxError as fault:
            raise TemplateFaulty(file=name, problem=f"line {fault.lineno}: {fault.message}") from None
        if unknown := sorted(asked - known):
            raise TemplateFaulty(file=name, problem=f"it asks for a fact that facts.toml does not list: {unknown[0]}")
        return asked

    def draft(self, kind: str, language: str, facts: Mapping[str, str]) -> NoticeText:
        """Write the text that all people share; refuse missing facts by name (E2)."""
        needed = self.facts_needed(kind, language)
        check_facts(needed, facts)
        values = {fact.name: facts.get(fact.name, "").strip() for fact in needed}
        rendered = {part: self._render(f"{kind}/{language}/{part}", values) for part in PARTS}
        sources = {part: self._source(f"{kind}/{language}/{part}") for part in (*PARTS, "facts.toml")}
        subject, text, html = (rendered[part].strip() for part in PARTS)
        return NoticeText(
            subject=" ".join(subject.split()),
            text=text,
            html=html,
            template_digest=digest_of([kind, language, sources]),
            content_digest=digest_of([language, subject, text, html]),
            template_texts=sources,
        )

    def _render(self, name: str, values: Mapping[str, str]) -> str:
        environment = self._html if name.endswith(".html") else self._text
        pieces, length = [], 0
        try:
            for piece in environment.get_template(name).generate(values):
                pieces.append(piece)
                length += len(piece)
                if length > LONGEST_TEXT:
                    raise TemplateFaulty(file=name, problem=f"its text is longer than {LONGEST_TEXT:,} characters")
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, RecursionError) as fault:
            problem = f"{type(fault).__name__}: {fault}" if isinstance(fault, TemplateError) else type(fault).__name__
            raise TemplateFaulty(file=name, problem=problem) from None
        return "".join(pieces)

    def _source(self, name: str) -> str:
        for root in self._roots:
            if (root / name).is_file():
                return read_text(root / name)
        raise NotFound(what="template", name=name)


class PersonalText:
    """A drafted text cut at its placeholders: filling it for one person is a handful of joins."""

    def __init__(self, pieces: Sequence[tuple[str, str | None]], *, html: bool, language: str) -> None:
        self._pieces = tuple(pieces)
        self._html = html
        self._bullet = BULLETS[language]

    @classmethod
    def compile(cls, text: str, *, html: bool, language: str) -> PersonalText:
        """Cut a text; a placeholder that is not known is refused by name."""
        pieces: list[tuple[str, str | None]] = []
        end = 0
        for found in _PLACEHOLDER.finditer(text):
            if found[1] not in PERSONAL:
                raise TemplateFaulty(file="notice", problem=f"unknown placeholder [[{found[1]}]]")
            pieces.append((text[end : found.start()], found[1]))
            end = found.end()
        pieces.append((text[end:], None))
        return cls(pieces, html=html, language=language)

    @property
    def pieces(self) -> tuple[tuple[str, str | None], ...]:
        """Return the texts between the placeholders, each with the name of the one behind it."""
        return self._pieces

    def fill(self, facts: PersonalFacts) -> str:
        """Write one person's copy."""
        parts: list[str] = []
        for literal, name in self._pieces:
            parts.append(literal)
            if name is not None:
                parts.append(self.shown(getattr(facts, name)))
        return "".join(parts)

    def shown(self, value: str | tuple[str | Statement, ...]) -> str:
        """Write what stands in the place of a placeholder."""
        if isinstance(value, str):
            return escape(value) if self._html else value
        return "".join(self._entry(entry) for entry in value).strip("\n")

    def _entry(self, entry: str | Statement) -> str:
        """Write a line of a list, or a sentence with its own list."""
        if isinstance(entry, Statement):
            lines = "".join(self._entry(item) for item in entry.items)
            if not self._html:
                return (f"\n{entry.heading}\n" if entry.heading else "") + f"{entry.sentence}\n{lines}"
            heading = f"<h3>{escape(entry.heading)}</h3>" if entry.heading else ""
            return f"{heading}<p>{escape(entry.sentence)}</p><ul>{lines}</ul>"
        return f"<li>{escape(entry)}</li>" if self._html else f"{self._bullet}{entry}\n"
