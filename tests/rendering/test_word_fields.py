"""Fields of a Word template: page numbers and links to pages are taken, what starts programs or loads files is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from docx.document import Document as WordDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.parser import parse_xml

from incident_app.domain.reports import fill_form
from incident_app.domain.words import Words
from incident_app.rendering.notices import TemplateFaulty
from tests.rendering.test_outputs import AT, HEAD, company, paper, template_with

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def run(content: str) -> str:
    return f'<w:r xmlns:w="{W}">{content}</w:r>'


def mark(kind: str) -> str:
    return run(f'<w:fldChar w:fldCharType="{kind}"/>')


def field(*instructions: str) -> str:
    """A field as Word writes it: its instruction cut into runs."""
    texts = "".join(run(f"<w:instrText>{text}</w:instrText>") for text in instructions)
    return mark("begin") + texts + mark("separate") + run("<w:t>x</w:t>") + mark("end")


FIELDS = {
    "DDEAUTO": field(r'DDEAUTO c:\\windows\\cmd.exe "/k"'),
    "DDE": field("D", "D", "E cmd"),
    "INCLUDEPICTURE": field(r' includepicture "http://pictures.example/x.png" \d'),
    "INCLUDETEXT": f'<w:fldSimple xmlns:w="{W}" w:instr="INCLUDETEXT &quot;//server/share/x.docx&quot;"/>',
    "LINK": field("LINK Excel.Sheet x.xlsx"),
    "HYPERLINK": field('HYPERLINK "file:///c:/windows/cmd.exe"'),
    "made by another field": mark("begin") + field("QUOTE 68 68 69") + mark("end"),
    "nested": mark("begin") + run("<w:instrText>IF 1 = 1 </w:instrText>") + field("DDE cmd") + mark("end"),
}


def with_field(content: str, part: str = "body") -> bytes:
    def prepare(document: WordDocument) -> None:
        place = document.paragraphs[0] if part == "body" else document.sections[0].header.paragraphs[0]
        for element in parse_xml(f'<w:p xmlns:w="{W}">{content}</w:p>'):
            place._p.append(element)

    return template_with("x", prepare=prepare)


@pytest.mark.parametrize("part", ["body", "header"])
@pytest.mark.parametrize("what", FIELDS)
def test_a_field_that_starts_programs_or_loads_files_is_refused_by_file_and_field(
    tmp_path: Path, what: str, part: str
) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(with_field(FIELDS[what], part))
    with pytest.raises(TemplateFaulty, match=what if what.isupper() else "field") as refused:
        forms.word(paper(forms=forms), written_at=AT)
    assert "report.docx" in str(refused.value)
    assert f"word/{'document' if part == 'body' else 'header1'}.xml" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        field("PAGE"),
        field(r'HYPERLINK "https://law.example/" \o "law"'),
        field(r'HYPERLINK \l "top"'),
        field(r"DATE \@ y"),
    ],
)
def test_fields_that_number_pages_or_lead_to_a_page_are_taken(tmp_path: Path, content: str) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(with_field(content))
    assert forms.word(paper(forms=forms), written_at=AT)


def test_a_field_that_is_made_by_filling_the_template_is_refused(tmp_path: Path) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(with_field(field("{{ rows[0].text }}")))
    form = forms.form("jp-appi-preliminary")
    filled = fill_form(form, {form.fields[0].fact: Words(ja="DDEAUTO cmd", en="x")}, {})
    with pytest.raises(TemplateFaulty, match="DDEAUTO"):
        forms.word(forms.paper(filled, language="ja", **HEAD), written_at=AT)


def to_a_program(document: WordDocument) -> None:
    document.part.relate_to("file:///c:/windows/cmd.exe", RELATIONSHIP_TYPE.HYPERLINK, is_external=True)


def another_document(document: WordDocument) -> None:
    document.part.relate_to("chunk.htm", RELATIONSHIP_TYPE.A_F_CHUNK, is_external=True)


@pytest.mark.parametrize(("prepare", "problem"), [(to_a_program, "link leads"), (another_document, "documents")])
def test_a_link_to_a_program_and_a_document_within_are_refused(tmp_path: Path, prepare: object, problem: str) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(template_with("x", prepare=prepare))
    with pytest.raises(TemplateFaulty, match=problem):
        forms.word(paper(forms=forms), written_at=AT)
