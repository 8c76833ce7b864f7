"""The pages that confirm a notice: plain HTML in two languages, without scripts and without anything from others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from jinja2 import FileSystemLoader, TemplateError

from incident_app.domain.genuine import CodeGroup, Site
from incident_app.domain.zones import JST
from incident_app.rendering.notices import TemplateFaulty, TextSandbox

LANGUAGES = ("ja", "en")
STYLE = "style.css"
_WEEKDAYS = "月火水木金土日"


class GenuinePages:
    """The templates of an instance, the company's own before the shipped ones."""

    def __init__(self, roots: Sequence[Path]) -> None:
        folders = [str(root / "genuine") for root in roots if (root / "genuine").is_dir()]
        self._pages = TextSandbox(
            loader=FileSystemLoader(folders), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )

    def style(self) -> str:
        """Return the style sheet that all pages share."""
        return self._render(STYLE, {})

    def start(self, companies: Mapping[str, str]) -> str:
        """Return the page on which a reader chooses the language."""
        return self._render("start.html", {"companies": dict(companies)})

    def index(self, site: Site, language: str) -> str:
        """Return the page that lists the notices and leads to the codes."""
        return self._render(f"{language}/index.html", {**_shared(site, language), "prefixes": site.prefixes})

    def codes(self, site: Site, language: str, prefix: str, groups: Sequence[CodeGroup]) -> str:
        """Return the page of the codes that begin alike."""
        shown = [
            {
                "sent_on": day_in(group.sent_on, language),
                "subject": group.notice.subject,
                "language": group.notice.language,
                "domain": group.notice.domain,
                "withdrawn_on": _day_or_none(group.notice.withdrawn_on, language),
                "codes": group.codes,
            }
            for group in groups
        ]
        return self._render(f"{language}/codes.html", {**_shared(site, language), "prefix": prefix, "groups": shown})

    def _render(self, name: str, facts: Mapping[str, object]) -> str:
        try:
            return self._pages.get_template(name).render(facts)
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, RecursionError) as fault:
            raise TemplateFaulty(file=f"genuine/{name}", problem=f"{type(fault).__name__}: {fault}") from None


def page_of(prefix: str) -> str:
    """Return the file name of the page of codes that begin alike."""
    return f"codes-{prefix}.html" if prefix else "codes.html"


def day_in(day: date, language: str) -> str:
    """Write a day for readers of a language, with the year."""
    if language == "ja":
        return f"{day.year}年{day.month}月{day.day}日（{_WEEKDAYS[day.weekday()]}）"
    return f"{day:%A} {day.day} {day:%B} {day.year}"


def _day_or_none(day: date | None, language: str) -> str | None:
    return day_in(day, language) if day else None


def _shared(site: Site, language: str) -> dict[str, object]:
    made_at = site.made_at.astimezone(JST)
    notices = [
        {
            "subject": notice.subject,
            "language": notice.language,
            "domain": notice.domain,
            "first_on": day_in(notice.first_on, language),
            "last_on": day_in(notice.last_on, language),
            "on_one_day": notice.first_on == notice.last_on,
            "withdrawn_on": _day_or_none(notice.withdrawn_on, language),
        }
        for notice in site.notices
    ]
    return {
        "company": site.company,
        "desk": site.desk,
        "notices": notices,
        "domains": sorted({notice.domain for notice in site.notices}),
        "made_at": f"{day_in(made_at.date(), language)} {made_at:%H:%M} JST",
    }
