"""A company's own templates: whatever stands in one, the answer is a text of ours or a refusal that names the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from incident_app.domain.errors import FaultyFile, NotFound
from incident_app.rendering.notices import LONGEST_TEXT, NoticeTemplates, TemplateFaulty
from tests import builders


@pytest.fixture
def body(tmp_path: Path) -> Path:
    """A copy of the shipped templates, to be written over."""
    shutil.copytree(builders.ROOT / "templates" / "notices", tmp_path / "notices")
    return tmp_path / "notices" / "leak_notice" / "ja" / "body.txt"


def draft(body: Path, more: str) -> str:
    body.write_text(body.read_text(encoding="utf-8") + more, encoding="utf-8")
    templates = NoticeTemplates([body.parents[3]])
    return templates.draft("leak_notice", "ja", builders.sample_facts()["ja"]).text


@pytest.mark.parametrize(
    "more",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ what_happened.__class__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ '%9999999999d'|format(1) }}",
        "{{ 'a'|center(9999999999) }}",
        "{{ 'a'.ljust(9999999999) }}",
        "{{ 1 / 0 }}",
        "{{ what_happened + 1 }}",
        "{{ what_happened.nothing }}",
        "{% include '../../../../../../etc/passwd' %}",
        "{% for a in what_happened %}" * 3 + "{% endfor %}" * 3,
        "{% set a = what_happened ~ what_happened %}" + "{% set a = a ~ a %}" * 40 + "{{ a|length }}",
        "{% for a in what_happened %}" * 3 + "{{ what_happened }}" + "{% endfor %}" * 3,
    ],
)
def test_a_template_that_reaches_out_or_swells_is_refused_by_name(body: Path, more: str) -> None:
    with pytest.raises(TemplateFaulty, match=r"leak_notice/ja/body\.txt"):
        draft(body, more)


def test_a_template_that_joins_texts_is_taken(body: Path) -> None:
    more = "{{ what_happened.splitlines()|join('/')|trim|upper }} {{ 'end' ~ '!' }}"
    assert draft(body, more).endswith("end!")
    assert len(draft(body, "x" * 1000)) < LONGEST_TEXT


def test_a_template_that_is_no_text_is_named(body: Path) -> None:
    body.write_bytes(b"\xff\xfe")
    with pytest.raises(FaultyFile, match=r"body\.txt"):
        NoticeTemplates([body.parents[3]]).draft("leak_notice", "ja", builders.sample_facts()["ja"])


def test_a_template_that_is_missing_is_a_refusal(body: Path) -> None:
    body.unlink()
    with pytest.raises(NotFound):
        NoticeTemplates([body.parents[3]]).draft("leak_notice", "ja", builders.sample_facts()["ja"])
