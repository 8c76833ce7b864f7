"""Papers as Word files: a template is filled in a sandbox, and refused by name where it asks for what is not there."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from docx.opc.exceptions import OpcError
from docxtpl import DocxTemplate
from jinja2 import Template, TemplateError

from incident_app.rendering.notices import TemplateFaulty, TextSandbox
from incident_app.rendering.papers import Paper
from incident_app.rendering.word_fields import problem_in

LARGEST_FILE = 5_000_000
LARGEST_CONTENT = 50_000_000
LONGEST_PART = 20_000_000
"""Characters of one part of a filled document."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_PROGRAMS = ("vbaproject", "/activex/", "/embeddings/")


class _WordSandbox(TextSandbox):
    """A Word template goes through rows and lines; what it may do is otherwise what a notice may."""

    deepest_loop = 4


class _Bounded(Template):
    """A template whose text has an end."""

    def render(self, *args: Any, **kwargs: Any) -> str:  # noqa: ANN401 - whatever the library hands over
        pieces, length = [], 0
        for piece in self.generate(*args, **kwargs):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST_PART:
                raise TemplateError(f"its text is longer than {LONGEST_PART:,} characters")
        return "".join(pieces)


def word_of(paper: Paper, template: bytes, *, name: str, written_at: datetime) -> bytes:
    """Fill a Word template with a paper; TemplateFaulty names the file and what is wrong with it."""
    _check_file(template, name)
    environment = _WordSandbox(autoescape=True)
    environment.template_class = _Bounded
    context = word_context(paper)
    stream = io.BytesIO()
    try:
        document = DocxTemplate(io.BytesIO(template))
        unknown = sorted(document.get_undeclared_template_variables(environment) - set(context))
        if unknown:
            known = ", ".join(sorted(context))
            raise TemplateFaulty(file=name, problem=f"unknown expression {', '.join(unknown)}; known: {known}")
        document.render(context, environment)
        properties = document.docx.core_properties  # get_docx() would read the template again
        at = written_at.astimezone(UTC)
        properties.title, properties.created, properties.modified = paper.title, at, at
        document.save(stream)
        _check_file(stream.getvalue(), name)  # an expression inside a field becomes what it is told to do
    except TemplateError as fault:
        raise TemplateFaulty(file=name, problem=f"{type(fault).__name__}: {fault.message}") from None
    except (OpcError, SyntaxError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError) as fault:
        raise TemplateFaulty(
            file=name, problem=f"not a Word file that can be filled ({type(fault).__name__})"
        ) from None
    return stream.getvalue()


def word_context(paper: Paper) -> Mapping[str, Any]:
    """Return what a Word template may ask for; `field` holds the content of single fields, by code with _ for -."""
    rows = [replace(row, label=_clean(row.label), text=_clean(row.text)) for row in paper.rows]
    shown = [{"item": row.item, "label": row.label, "text": row.text, "content": row.content} for row in rows]
    return {
        "title": _clean(paper.title),
        "addressee": _clean(paper.addressee),
        "incident": paper.reference,
        "version": paper.version,
        "written_at": paper.written_at,
        "digest": paper.digest,
        "head_lines": [_clean(line) for line in paper.head_lines],
        "foot_lines": list(paper.foot_lines),
        "rows": shown,
        "field": {row.code.replace("-", "_"): row.content for row in rows},
        "words": dict(paper.words),
    }


def _clean(text: str) -> str:
    """Take out the signs that no Word file can hold."""
    return _CONTROL.sub("", text)


def _check_file(template: bytes, name: str) -> None:
    """Refuse what is no Word document, would grow beyond measure, runs programs, or loads things from elsewhere."""
    if len(template) > LARGEST_FILE:
        raise TemplateFaulty(file=name, problem=f"larger than {LARGEST_FILE:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(template)) as package:
            entries = package.infolist()
            if sum(entry.file_size for entry in entries) > LARGEST_CONTENT:
                raise TemplateFaulty(file=name, problem=f"its content is larger than {LARGEST_CONTENT:,} bytes")
            if any(word in entry.filename.lower() for entry in entries for word in _PROGRAMS):
                raise TemplateFaulty(file=name, problem="it holds macros or other documents")
            if (problem := problem_in(package)) is not None:
                raise TemplateFaulty(file=name, problem=problem)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, SyntaxError):
        raise TemplateFaulty(file=name, problem="it is not a Word file (.docx)") from None
