"""Papers as PDF: typeset with an embedded Japanese font, tagged, the same bytes for the same content."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import typst

from incident_app.domain.errors import IncidentAppError
from incident_app.paths import read_text
from incident_app.rendering.glyphs import FONT_PACKAGE, missing_glyphs, named_glyphs
from incident_app.rendering.papers import Paper


class PaperNotSet(IncidentAppError):
    """The PDF could not be made with {file}: {problem}."""

    ja = "{file} で PDF を作れませんでした：{problem}。"


class SignsNotInFont(IncidentAppError):
    """The font of PDFs lacks {characters}: empty boxes would stand there. Write them otherwise, or use Word."""

    ja = "PDF の文字に無い字があります：{characters}。PDF を作れません。ほかの字に直すか、Word で出してください。"


def pdf_of(paper: Paper, *, written_at: datetime, template: Path) -> bytes:
    """Typeset a paper. The time of the version stands in the file, so that a second copy has the same bytes."""
    if lacking := unprintable(paper):
        raise SignsNotInFont(characters=named_glyphs(lacking))
    content = json.dumps(
        {
            "title": paper.title,
            "addressee": paper.addressee,
            "letter": paper.letter,
            "language": paper.language,
            "reference": paper.reference,
            "version": paper.version,
            "digest": paper.digest,
            "head_lines": paper.head_lines,
            "foot_lines": paper.foot_lines,
            "rows": [asdict(row) for row in paper.rows],
        }
    )
    words = json.dumps(dict(paper.words))
    if "@preview" in read_text(template):
        raise PaperNotSet(file=template.name, problem="it loads a package from the net")
    try:
        made = typst.compile(
            template,
            root=template.parent,
            font_paths=embedded_fonts(),
            ignore_system_fonts=True,
            sys_inputs={"paper": content, "words": words},
            format="pdf",
            pdf_standards=["ua-1"],
            timestamp=int(written_at.timestamp()),
        )
    except typst.TypstError as fault:
        raise PaperNotSet(file=template.name, problem=fault.message) from None
    if not isinstance(made, bytes):
        raise TypeError("one document is one file")
    return made


def unprintable(paper: Paper) -> tuple[str, ...]:
    """Return the characters of a paper that the embedded font lacks, for which no PDF of it is made."""
    rows = [text for row in paper.rows for text in (row.label, row.content)]
    return missing_glyphs([paper.title, paper.addressee, *paper.head_lines, *rows])


@lru_cache(maxsize=1)
def embedded_fonts() -> typst.Fonts:
    """Return the font: reading it takes longer than setting a page."""
    folder = str(files(FONT_PACKAGE))
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
