"""Every form of one incident, as page for printing, as Word file as JSON: each field and each number is the same."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from docx import Document
from sqlalchemy.engine import Engine

from incident_app.services import obligations, report_papers, reports
from incident_app.services.incidents import IncidentView
from tests import builders
from tests.builders import FORMS
from tests.services.test_reports import draft

NUMBER = re.compile(r"\d[\d,.]*\d|\d")


class Cells(HTMLParser):
    """The cells of a table, or the headings and texts of a letter, in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in {"td", "th", "h2", "p"} and not self.inside:
            self.inside = tag
            self.cells.append("")
        elif tag == "br" and self.inside:
            self.cells[-1] += "\n"

    def handle_endtag(self, tag: str) -> None:
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def word_cells(content: bytes) -> list[str]:
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return cells or [paragraph.text for paragraph in document.paragraphs]


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.fixture
def papers(instance: Engine) -> tuple[IncidentView, list[reports.ReportView]]:
    """One draft of every form, for the duty that asks for it where there is one."""
    builders.with_tenants(instance)
    view = builders.an_incident(instance)
    builders.a_notice(instance, view.id)
    builders.determined(instance, view.id, builders.a_scope("member-db", "billing-db", "staff-register"))
    duties = {duty.form: duty.id for duty in obligations.list_obligations(instance, view.id) if duty.form}
    return view, [draft(instance, view, code, obligation_id=duties.get(code)) for code in FORMS.codes()]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_field_and_number_of_every_form_is_the_same_in_html_word_and_json(
    instance: Engine, papers: tuple[IncidentView, list[reports.ReportView]], language: str
) -> None:
    view, drafts = papers
    assert len(drafts) >= 17
    for report in drafts:
        document = json.loads(reports.report_as_json(instance, view.id, report.id))
        html = Cells(reports.report_as_html(instance, view.id, report.id, FORMS, language=language)).cells
        word = word_cells(report_papers.report_as_word(instance, view.id, report.id, FORMS, language=language))
        told = [(field["label"][language], field["value"][language]) for field in document["fields"] if field["value"]]
        assert told, report.form
        for cells in (html, word):
            squeezed = [bare(cell) for cell in cells]
            for label, value in told:
                assert bare(label) in squeezed, (report.form, label)
                assert bare(value) in squeezed, (report.form, label)
        numbers = Counter(number for _, value in told for number in NUMBER.findall(value))
        values = {bare(value) for _, value in told}
        for cells in (html, word):
            shown = [cell for cell in cells if bare(cell) in values]
            found = Counter(number for cell in shown for number in NUMBER.findall(cell))
            assert set(found) == set(numbers), report.form
        assert all(words.strip() for _, words in told)


def test_no_form_shows_a_code_or_a_placeholder_instead_of_words(
    papers: tuple[IncidentView, list[reports.ReportView]],
) -> None:
    _, drafts = papers
    for report in drafts:
        for field in report.filled.fields:
            if field.value is None:
                continue
            for text in (field.value.ja, field.value.en):
                assert re.search(r"[{}]|None|Codes\(|\b[a-z]+_[a-z_]+\b", text) is None, (report.form, field.code, text)
