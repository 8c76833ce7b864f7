"""One report, four outputs: HTML, PDF, Word and JSON say the same, and a template that asks for more is refused."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docx import Document
from docx.document import Document as WordDocument
from docx.opc.constants import RELATIONSHIP_TYPE
from pypdf import PdfReader

from incident_app.domain.report_facts import CHOSEN, Codes, FactValue
from incident_app.domain.report_forms import Form
from incident_app.domain.reports import FilledForm, fill_form
from incident_app.domain.words import Words
from incident_app.rendering.notices import TemplateFaulty
from incident_app.rendering.papers import Paper
from incident_app.rendering.pdf import PaperNotSet
from incident_app.rendering.reports import ReportForms, report_json
from incident_app.rendering.word_template import shipped_template
from tests.builders import FORMS, ROOT

AT = datetime(2026, 11, 20, 8, 20, 5, 678, tzinfo=UTC)
HEAD = {"reference": "INC-2026-0001", "version": 2, "written_at": "2026-11-20 17:20 JST", "head": (7, "f" * 64)}
SHIPPED = ROOT / "templates"


def filled_for(form: Form, *, every: int = 3) -> FilledForm:
    """A form with texts that outputs could take for markup, with answers, gaps with reasons, and plain gaps."""
    facts: dict[str, FactValue] = {}
    gaps = {}
    for number, field in enumerate(form.fields):
        if number % every == 1:
            gaps[field.code] = f"調査中 & <{number}>"
        elif number % every == 0 and form.facts[field.fact].kind in CHOSEN:
            facts[field.fact] = Codes(codes=(field.choices[0].code,))
        elif number % every == 0 or form.letter:
            text = f'事実{number} #read("x") *太字* {{{{ 7 * 7 }}}} <b>&amp;\n二行目{number}'
            facts[field.fact] = Words(ja=text, en=f"fact {number} <i> & $x$\nsecond line {number}")
    return fill_form(form, facts, gaps)


def paper(form: str = "jp-appi-preliminary", language: str = "ja", forms: ReportForms = FORMS) -> Paper:
    return forms.paper(filled_for(forms.form(form)), language=language, **HEAD)


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


class TextOf(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.inside_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.inside_style = tag == "style"

    def handle_data(self, data: str) -> None:
        if not self.inside_style:
            self.parts.append(data)


def word_text(content: bytes) -> str:
    document = Document(io.BytesIO(content))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def pdf_text(content: bytes) -> str:
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


@pytest.mark.parametrize("code", FORMS.codes())
@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_output_says_the_same(code: str, language: str) -> None:
    filled = filled_for(FORMS.form(code))
    said = FORMS.paper(filled, language=language, **HEAD)
    assert said.rows
    html = "".join(TextOf(FORMS.html(filled, language=language, **HEAD)).parts)
    outputs = {
        "html": html,
        "pdf": pdf_text(FORMS.pdf(said, written_at=AT)),
        "word": word_text(FORMS.word(said, written_at=AT)),
    }
    for name, text in outputs.items():
        squeezed = bare(text)
        place = 0
        for part in (said.title, *(part for row in said.rows for part in (row.label, row.mark, row.text))):
            found = squeezed.find(bare(part), 0 if name == "word" and part == said.title else place)
            assert found >= 0, (name, part)
            place = found if name != "word" else 0
        if not said.letter:
            for line in (*said.head_lines, *said.foot_lines):
                assert bare(line) in squeezed, (name, line)
    document = json.loads(report_json(filled, **HEAD))
    by_code = {field["code"]: field for field in document["fields"]}
    assert list(by_code) == [field.code for field in filled.fields]
    for row in said.rows:
        field = by_code[row.code]
        assert row.label == field["label"][language]
        if field["value"]:
            assert row.text == field["value"][language]
        elif field["reason"]:
            assert row.text == field["reason"]


def test_a_letter_says_nothing_of_empty_fields_or_of_our_records() -> None:
    form = FORMS.form("public-statement")
    said = FORMS.paper(fill_form(form, {"desk": Words(ja="窓口", en="desk")}, {}), language="ja", **HEAD)
    assert [row.code for row in said.rows] == ["desk"]
    for text in (pdf_text(FORMS.pdf(said, written_at=AT)), word_text(FORMS.word(said, written_at=AT))):
        assert "未記入" not in text
        assert "INC-2026" not in text
        assert "f" * 20 not in text


def test_the_same_version_gives_the_same_pdf_with_its_font_inside_and_a_language() -> None:
    first, second = (FORMS.pdf(paper(), written_at=AT) for _ in range(2))
    assert first == second
    reader = PdfReader(io.BytesIO(first))
    assert reader.metadata is not None
    assert reader.metadata.title == "個人データの漏えい等に関する報告（速報）"
    assert str(reader.root_object["/Lang"]).startswith("ja")
    assert "/StructTreeRoot" in reader.root_object
    fonts = reader.pages[0]["/Resources"]["/Font"].values()
    for font in fonts:
        (descendant,) = font.get_object()["/DescendantFonts"]
        assert "/FontFile3" in descendant.get_object()["/FontDescriptor"]
        assert "NotoSansCJKjp" in str(descendant.get_object()["/BaseFont"])


def test_a_rare_sign_of_a_name_stands_in_the_pdf() -> None:
    form = FORMS.form("card-acquirer")
    rare = "髙﨑𠮷邉栁濵"
    filled = fill_form(form, {"contact": Words(ja=rare, en=rare)}, {})
    assert rare in pdf_text(FORMS.pdf(FORMS.paper(filled, language="ja", **HEAD), written_at=AT))


def company(tmp_path: Path) -> ReportForms:
    (tmp_path / "reports").mkdir(exist_ok=True)
    return ReportForms([tmp_path, SHIPPED])


def template_with(*texts: str, prepare: object = None) -> bytes:
    document: WordDocument = Document()
    for text in texts:
        document.add_paragraph(text)
    if callable(prepare):
        prepare(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def test_a_companys_own_template_goes_before_the_shipped_one_for_one_form_or_for_all(tmp_path: Path) -> None:
    forms = company(tmp_path)
    own = template_with("社外秘 {{ title }}", "概要：{{ field.summary }}", "{{ words.digest }} {{ digest }}")
    (tmp_path / "reports" / "report.docx").write_bytes(own)
    text = word_text(forms.word(paper(forms=forms), written_at=AT))
    assert text.startswith("社外秘 個人データの漏えい等")
    (tmp_path / "reports" / "jp-appi-preliminary").mkdir()
    (tmp_path / "reports" / "jp-appi-preliminary" / "report.docx").write_bytes(template_with("速報用 {{ incident }}"))
    assert word_text(forms.word(paper(forms=forms), written_at=AT)) == "速報用 INC-2026-0001"
    assert word_text(forms.word(paper("jp-appi-definitive", forms=forms), written_at=AT)).startswith("社外秘")


@pytest.mark.parametrize("letter", [True, False])
def test_the_shipped_template_can_be_taken_out_edited_and_put_back(tmp_path: Path, letter: bool) -> None:
    forms, form = company(tmp_path), "public-faq" if letter else "jp-telecom-first"
    document = Document(io.BytesIO(shipped_template(letter=letter)))
    document.add_paragraph("当社の控え")
    document.save(str(tmp_path / "reports" / ("letter.docx" if letter else "report.docx")))
    before, after = (word_text(one.word(paper(form), written_at=AT)) for one in (FORMS, forms))
    assert bare(before) in bare(after.replace("当社の控え", ""))
    assert "当社の控え" in after


HOSTILE = {
    "unknown name": ("{{ password }}", "unknown expression password"),
    "unknown field": ("{{ field.nothing }}", "has no attribute 'nothing'"),
    "python": ("{{ title.__class__.__mro__[1].__subclasses__() }}", "UndefinedError|SecurityError"),
    "format": ("{{ '{0.__class__}'.format(title) }}", "SecurityError"),
    "multiplied": ("{{ title * 1000000 }}", "SecurityError"),
    "a function": ("{{ range(10) }}", "unknown expression range"),
    "a file": ("{% include '/etc/passwd' %}", "."),
    "an import": ("{% import 'os' as os %}", "."),
    "broken": ("{{ title ", "TemplateSyntaxError"),
    "work without a text": (
        "".join(f"{{% for a{number} in rows %}}" for number in range(6)) + "{% endfor %}" * 6,
        "more than 4 loops",
    ),
    "a doubled text": ("{% set a = 'xxxx' %}" + "{% set a = a ~ a ~ a ~ a %}" * 20, "names no texts"),
    "a made-up list": ("{% for a in [title ~ title] %}{% endfor %}", "facts only"),
    "a text taken apart": (
        "{% for a in rows %}{% for b in a %}{% for c in a.text %}{% endfor %}{% endfor %}{% endfor %}",
        "facts only",
    ),
    "unknown filter": ("{{ title | attr('x') }}", "TemplateAssertionError|No filter"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_an_unknown_or_hostile_expression_is_refused_by_file(tmp_path: Path, what: str) -> None:
    text, problem = HOSTILE[what]
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(template_with(text))
    with pytest.raises(TemplateFaulty, match=problem) as refused:
        forms.word(paper(forms=forms), written_at=AT)
    assert "report.docx" in str(refused.value)


def in_properties(document: WordDocument) -> None:
    document.core_properties.author = "{{ title.__class__.__mro__ }}"


def in_header(document: WordDocument) -> None:
    document.sections[0].header.paragraphs[0].text = "{{ cycler.__init__.__globals__ }}"


@pytest.mark.parametrize("place", [in_properties, in_header])
def test_a_hostile_expression_is_refused_wherever_it_stands(tmp_path: Path, place: object) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(template_with("ok", prepare=place))
    with pytest.raises(TemplateFaulty):
        forms.word(paper(forms=forms), written_at=AT)


def test_a_text_without_end_is_cut_off(tmp_path: Path) -> None:
    forms = company(tmp_path)
    loops = "{% for a in rows %}{% for b in rows %}{% for c in rows %}{% for d in rows %}"
    text = loops + "{{ title }}" + "{% endfor %}" * 4
    (tmp_path / "reports" / "report.docx").write_bytes(template_with(text))
    with pytest.raises(TemplateFaulty, match="longer than"):
        forms.word(paper(forms=forms), written_at=AT)


def from_elsewhere(document: WordDocument) -> None:
    document.part.relate_to("http://pictures.example/x.png", RELATIONSHIP_TYPE.IMAGE, is_external=True)


IMAGE = '<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" '
HIDDEN = {
    "named like a link": IMAGE + 'Target="http://pictures.example/hyperlink.png" TargetMode="External"/>',
    "spelt otherwise": IMAGE + 'Target="http://pictures.example/x.png" TargetMode="&#69;xternal"/>',
    "with a prefix": (IMAGE + 'Target="http://pictures.example/x.png" TargetMode="External"/>').replace(
        "<Relationship ", '<r:Relationship xmlns:r="http://schemas.openxmlformats.org/package/2006/relationships" '
    ),
}


def with_relation(relation: str) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(template_with("x"))) as shipped,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package,
    ):
        for entry in shipped.infolist():
            content = shipped.read(entry)
            if entry.filename == "word/_rels/document.xml.rels":
                content = content.replace(b"</Relationships>", f"{relation}</Relationships>".encode())
            package.writestr(entry.filename, content)
    return stream.getvalue()


@pytest.mark.parametrize("how", HIDDEN)
def test_a_picture_from_elsewhere_is_refused_however_it_is_written(tmp_path: Path, how: str) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(with_relation(HIDDEN[how]))
    with pytest.raises(TemplateFaulty, match="from elsewhere"):
        forms.word(paper(forms=forms), written_at=AT)


def a_link(document: WordDocument) -> None:
    document.part.relate_to("http://law.example/", RELATIONSHIP_TYPE.HYPERLINK, is_external=True)


def with_macros() -> bytes:
    stream = io.BytesIO(template_with("{{ title }}"))
    with zipfile.ZipFile(stream, "a") as package:
        package.writestr("word/vbaProject.bin", b"x")
    return stream.getvalue()


def swollen() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("word/document.xml", b"0" * 50_000_001)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"not a word file", "not a Word file"),
        (b"", "not a Word file"),
        (with_macros(), "macros"),
        (swollen(), "its content is larger"),
        (b"x" * 5_000_001, "larger than"),
        (template_with("x", prepare=from_elsewhere), "from elsewhere"),
    ],
    ids=["text", "empty", "macros", "swollen", "large", "outside"],
)
def test_what_is_no_plain_word_file_is_refused_by_name(tmp_path: Path, content: bytes, problem: str) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(content)
    with pytest.raises(TemplateFaulty, match=problem) as refused:
        forms.word(paper(forms=forms), written_at=AT)
    assert "report.docx" in str(refused.value)


def test_a_link_to_a_page_is_no_load_from_elsewhere(tmp_path: Path) -> None:
    forms = company(tmp_path)
    (tmp_path / "reports" / "report.docx").write_bytes(template_with("{{ title }}", prepare=a_link))
    assert forms.word(paper(forms=forms), written_at=AT)


def test_signs_that_no_word_file_can_hold_are_left_out_and_lines_are_kept() -> None:
    form = FORMS.form("card-acquirer")
    filled = fill_form(form, {"contact": Words(ja="一\x0b行\x07目\n二行目\tあ", en="x")}, {})
    content = FORMS.word(FORMS.paper(filled, language="ja", **HEAD), written_at=AT)
    assert "一行目\n二行目\tあ" in word_text(content)


@pytest.mark.parametrize(
    ("text", "problem"),
    [("#nothing(", "unclosed|expected"), ('#import "@preview/x:1.0.0": *', "from the net"), ("#paper.no", "no")],
)
def test_a_faulty_template_of_pdfs_is_refused_by_file(tmp_path: Path, text: str, problem: str) -> None:
    forms = company(tmp_path)
    start = "#let paper = json(bytes(sys.inputs.paper))\n#set document(title: paper.title)\n"
    (tmp_path / "reports" / "report.typ").write_text(start + text, encoding="utf-8")
    with pytest.raises(PaperNotSet, match=problem) as refused:
        forms.pdf(paper(forms=forms), written_at=AT)
    assert "report.typ" in str(refused.value)
