"""One sentence in both languages."""

from __future__ import annotations

from dataclasses import dataclass

from incident_app.domain.vocabulary import Language


@dataclass(frozen=True, kw_only=True)
class Words:
    """The same sentence in Japanese and English."""

    ja: str
    en: str

    def in_(self, language: Language) -> str:
        """Return the sentence in one of the languages."""
        return self.ja if language is Language.JA else self.en
