"""What an event is: a kind, its facts, and how it reads in two languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, TypeVar, dataclass_transform

from incident_app.domain.events.words import word_for


@dataclass(frozen=True, kw_only=True)
class EventFacts:
    """The facts of one event. Subclasses name their kind and how they read in Japanese and English."""

    kind: ClassVar[str]
    ja: ClassVar[str]
    en: ClassVar[str]

    def as_mapping(self) -> dict[str, object]:
        """Return the facts by name, ready to be hashed."""
        return asdict(self)


Facts = TypeVar("Facts", bound=EventFacts)
KINDS: dict[str, type[EventFacts]] = {}


@dataclass_transform(kw_only_default=True, frozen_default=True)
def event(kind: str, *, ja: str, en: str) -> Callable[[type[Facts]], type[Facts]]:
    """Register a kind of event: its name, and its sentence in both languages with its facts as placeholders."""

    def register(cls: type[Facts]) -> type[Facts]:
        frozen = dataclass(frozen=True, kw_only=True)(cls)
        frozen.kind, frozen.ja, frozen.en = kind, ja, en
        KINDS[kind] = frozen
        return frozen

    return register


def summary(kind: str, facts: Mapping[str, object], language: str) -> str:
    """Say in one line what happened. An unknown kind (from a newer version) reads as its own name."""
    if kind not in KINDS:
        return kind
    cls = KINDS[kind]
    shown = {field.name: _shown(field.name, facts.get(field.name), language) for field in fields(cls)}
    return (cls.ja if language == "ja" else cls.en).format(**shown)


def _shown(fact: str, value: object, language: str) -> str:
    if value is None:
        return "−"
    if isinstance(value, bool):
        words = {"ja": ("はい", "いいえ"), "en": ("yes", "no")}[language]
        return words[0] if value else words[1]
    return f"{value:,}" if isinstance(value, int) else word_for(fact, str(value), language)
