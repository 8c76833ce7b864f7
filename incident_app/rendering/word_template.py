"""The shipped Word template of papers, made by the program: taken out, edited in Word, put beside a company's forms."""

from __future__ import annotations

import io

from docx import Document
from docx.document import Document as WordDocument
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt, RGBColor
from docx.table import _Cell, _Row

LATIN, JAPANESE = "Arial", "BIZ UDGothic"
WIDTHS = (Mm(24), Mm(46), Mm(100))
GREY = "F3F3F3"


def shipped_template(*, letter: bool) -> bytes:
    """Return the template: a table of the fields in order, or the headings and texts of a letter."""
    document = _empty()
    document.add_heading("{{ title }}", level=1)
    if letter:
        document.add_paragraph("{{ addressee }}")
        document.add_paragraph("{%p for row in rows %}")
        document.add_heading("{{ row.label }}", level=2)
        document.add_paragraph("{{ row.text }}")
        document.add_paragraph("{%p endfor %}")
    else:
        for line in ("{%p for line in head_lines %}", "{{ line }}", "{%p endfor %}"):
            document.add_paragraph(line).paragraph_format.space_after = Pt(2)
        _add_table(document)
        document.add_paragraph("")
        for line in ("{%p for line in foot_lines %}", "{{ line }}", "{%p endfor %}"):
            _small(document, line)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def _empty() -> WordDocument:
    document = Document()
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(20)
    section.top_margin = section.bottom_margin = Mm(20)
    for name, size in (("Normal", 10), ("Heading 1", 15), ("Heading 2", 11.5)):
        style = document.styles[name]
        style.font.name, style.font.size = LATIN, Pt(size)
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for place in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(place), None)  # a theme would win over the font
        fonts.set(qn("w:eastAsia"), JAPANESE)
        language = OxmlElement("w:lang")
        language.set(qn("w:eastAsia"), "ja-JP")  # else signs that languages share are drawn as in another one
        style.element.get_or_add_rPr().append(language)
    properties = document.core_properties
    properties.author, properties.comments, properties.title = "", "", ""
    return document


def _add_table(document: WordDocument) -> None:
    table = document.add_table(rows=0, cols=3)
    table.style = "Table Grid"
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table.autofit = False
    head = table.add_row()
    _fill(head, ("{{ words.item }}", "{{ words.field }}", "{{ words.content }}"))
    repeated = OxmlElement("w:tblHeader")
    head._tr.get_or_add_trPr().append(repeated)  # noqa: SLF001 - the library has no word for a repeated heading
    for cell in head.cells:
        _shade(cell)
    for texts in (
        ("{%tr for row in rows %}", "", ""),
        ("{{ row.item }}", "{{ row.label }}", "{{ row.content }}"),
        ("{%tr endfor %}", "", ""),
    ):
        row = table.add_row()
        _fill(row, texts)
        _shade(row.cells[1])
    for column, width in zip(table.columns, WIDTHS, strict=True):
        column.width = width


def _fill(row: _Row, texts: tuple[str, str, str]) -> None:
    for cell, text, width in zip(row.cells, texts, WIDTHS, strict=True):
        cell.width = width
        cell.paragraphs[0].text = text
        cell.paragraphs[0].paragraph_format.space_before = Pt(1.5)
        cell.paragraphs[0].paragraph_format.space_after = Pt(1.5)


def _shade(cell: _Cell) -> None:
    shading = OxmlElement("w:shd")
    shading.set(qn("w:val"), "clear")
    shading.set(qn("w:fill"), GREY)
    cell._tc.get_or_add_tcPr().append(shading)  # noqa: SLF001 - the library has no word for shading


def _small(document: WordDocument, text: str) -> None:
    paragraph = document.add_paragraph()
    paragraph.paragraph_format.space_after = Pt(2)
    paragraph.add_run(text).font.size = Pt(7.5)
