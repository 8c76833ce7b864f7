"""Reports as JSON for machines, and as printable HTML, PDF and Word for people: the same content in all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from incident_app.domain.errors import FaultyFile, NotFound
from incident_app.domain.report_facts import FactList, read_fact_list
from incident_app.domain.report_forms import Form, SharedFields, read_form, read_part
from incident_app.domain.reports import FilledForm
from incident_app.paths import read_text
from incident_app.rendering.papers import Head, Paper, paper_of
from incident_app.rendering.pdf import pdf_of
from incident_app.rendering.word import word_of
from incident_app.rendering.word_template import shipped_template


class ReportForms:
    """The forms of reports of an instance: the company's own first, then the shipped ones."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = [root / "reports" for root in roots if (root / "reports").is_dir()]
        self._environment = SandboxedEnvironment(
            loader=FileSystemLoader([str(root) for root in self._roots]),
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
        )

    def codes(self) -> tuple[str, ...]:
        """Return the codes of the forms."""
        found = {path.parent.name for root in self._roots for path in root.glob("*/form.toml")}
        return tuple(sorted(found))

    def form(self, code: str) -> Form:
        """Return a form; NotFound otherwise, FaultyFile naming file and key where something in it is wrong."""
        if code not in self.codes():
            raise NotFound(what="form", name=code)
        facts = self.facts()
        return self._read(code, facts, self._parts(facts))

    def usable(self) -> tuple[tuple[Form, ...], tuple[FaultyFile, ...]]:
        """Return the forms that can be used, and what is wrong with the others: one faulty form stops no other."""
        forms: list[Form] = []
        faults: list[FaultyFile] = []
        try:
            facts = self.facts()
            parts = self._parts(facts)
        except FaultyFile as fault:
            return (), (fault,)
        for code in self.codes():
            try:
                forms.append(self._read(code, facts, parts))
            except FaultyFile as fault:
                faults.append(fault)
        return tuple(forms), tuple(faults)

    def _read(self, code: str, facts: FactList, parts: Mapping[str, SharedFields]) -> Form:
        path, name = self._find(f"{code}/form.toml"), f"{code}/form.toml"
        if path is None:
            raise NotFound(what="form", name=code)
        form = read_form(read_text(path), file=name, facts=facts, parts=parts)
        if form.code != code:
            raise FaultyFile(file=name, faults=[f"code: {form.code!r} is not the name of its folder"])
        return form

    def facts(self) -> FactList:
        """Return every fact that forms may ask for; a company's own list adds to the shipped one."""
        paths = [root / "facts.toml" for root in self._roots]
        return read_fact_list(*((read_text(path), path.name) for path in paths if path.is_file()))

    def _parts(self, facts: FactList) -> dict[str, SharedFields]:
        names = {path.name for root in self._roots for path in (root / "parts").glob("*.toml")}
        paths = {name: self._find(f"parts/{name}") for name in sorted(names)}
        return {
            name.removesuffix(".toml"): read_part(read_text(path), file=f"parts/{name}", facts=facts)
            for name, path in paths.items()
            if path
        }

    def _find(self, name: str) -> Path | None:
        return next((root / name for root in self._roots if (root / name).is_file()), None)

    def html(
        self,
        filled: FilledForm,
        *,
        language: str,
        reference: str,
        version: int,
        written_at: str,
        head: Head,
        digest: str | None = None,
    ) -> str:
        """Write a report as a document of its own, gaps and all."""
        paper = self.paper(
            filled,
            language=language,
            reference=reference,
            version=version,
            written_at=written_at,
            head=head,
            digest=digest,
        )
        return self._environment.get_template("layout.html").render(paper=paper, words=paper.words)

    def paper(
        self,
        filled: FilledForm,
        *,
        language: str,
        reference: str,
        version: int,
        written_at: str,
        head: Head,
        digest: str | None = None,
    ) -> Paper:
        """Put a report into one language, as every output says it."""
        return paper_of(
            filled,
            language=language,
            reference=reference,
            version=version,
            written_at=written_at,
            head=head,
            digest=digest,
            letter=self._is_letter(filled.form),
        )

    def _is_letter(self, code: str) -> bool:
        """Tell whether a form is a letter; a report outlives a form that was taken away."""
        return code in self.codes() and self.form(code).letter

    def pdf(self, paper: Paper, *, written_at: datetime) -> bytes:
        """Typeset a paper; a company's own report.typ, for one form or for all, goes before the shipped one."""
        template = self._find(f"{paper.form}/report.typ") or self._find("report.typ")
        if template is None:
            raise NotFound(what="template", name="report.typ")
        return pdf_of(paper, written_at=written_at, template=template)

    def word(self, paper: Paper, *, written_at: datetime) -> bytes:
        """Fill the Word template: a company's own report.docx, for one form or for all, else the shipped one."""
        own = self._find(f"{paper.form}/report.docx") or self._find("letter.docx" if paper.letter else "report.docx")
        if own is None:
            return word_of(paper, shipped_template(letter=paper.letter), name="report.docx", written_at=written_at)
        name = f"{paper.form}/report.docx" if own.parent.name == paper.form else own.name
        return word_of(paper, own.read_bytes(), name=name, written_at=written_at)


def report_json(
    filled: FilledForm, *, reference: str, version: int, written_at: str, head: Head, digest: str | None = None
) -> str:
    """Write a report as one JSON document, fields in the regulator's order."""
    document = {
        "form": filled.form,
        "title": {"ja": filled.title.ja, "en": filled.title.en},
        "addressee": {"ja": filled.addressee.ja, "en": filled.addressee.en},
        "source": filled.source,
        "incident": reference,
        "version": version,
        "written_at": written_at,
        "digest": digest or filled.digest,
        "chain_head": {"sequence": head[0], "hash": head[1]},
        "fields": [
            {
                "code": field.code,
                "item": field.item,
                "label": {"ja": field.label.ja, "en": field.label.en},
                "state": field.state.value,
                "value": {"ja": field.value.ja, "en": field.value.en} if field.value else None,
                "reason": field.reason,
            }
            for field in filled.fields
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"
