"""Reports as JSON for machines and as a printable HTML document for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from incident_app.domain.errors import NotFound
from incident_app.domain.reports import FilledForm, Form, read_form

Head = tuple[int, str]
"""Number and hash of the newest event of the chain."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "ja": {
        "to": "提出先",
        "incident": "事案",
        "version": "版",
        "written": "作成",
        "source": "根拠",
        "item": "号",
        "field": "項目",
        "content": "内容",
        "not_filled": "未記入（理由）",
        "missing": "未記入",
        "left_open": "未記入（任意の項目）",
        "digest": "この報告書の指紋",
        "head": "記録の鎖の末尾",
    },
    "en": {
        "to": "To",
        "incident": "Incident",
        "version": "Version",
        "written": "Written",
        "source": "Basis",
        "item": "Item",
        "field": "Field",
        "content": "Content",
        "not_filled": "Not filled; reason:",
        "missing": "Not filled",
        "left_open": "Left open (not required)",
        "digest": "Digest of this report",
        "head": "Head of the event chain",
    },
}


class ReportForms:
    """The regulators' forms of an instance."""

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
        """Return a form; NotFound otherwise."""
        for root in self._roots:
            path = root / code / "form.toml"
            if code in self.codes() and path.is_file():
                return read_form(path.read_text(encoding="utf-8"), file=f"{code}/form.toml")
        raise NotFound(what="form", name=code)

    def html(
        self, filled: FilledForm, *, language: str, reference: str, version: int, written_at: str, head: Head
    ) -> str:
        """Write a report as a document of its own, gaps and all."""
        japanese = language == "ja"
        fields = [
            {
                "item": field.item,
                "label": field.label.ja if japanese else field.label.en,
                "value": (field.value.ja if japanese else field.value.en) if field.value else None,
                "state": field.state.value,
                "reason": field.reason,
            }
            for field in filled.fields
        ]
        return self._environment.get_template("layout.html").render(
            language=language,
            title=filled.title.ja if japanese else filled.title.en,
            addressee=filled.addressee.ja if japanese else filled.addressee.en,
            source=filled.source,
            reference=reference,
            version=version,
            written_at=written_at,
            fields=fields,
            digest=filled.digest,
            head_sequence=head[0],
            head_hash=head[1],
            words=WORDS[language],
        )


def report_json(filled: FilledForm, *, reference: str, version: int, written_at: str, head: Head) -> str:
    """Write a report as one JSON document, fields in the regulator's order."""
    document = {
        "form": filled.form,
        "title": {"ja": filled.title.ja, "en": filled.title.en},
        "addressee": {"ja": filled.addressee.ja, "en": filled.addressee.en},
        "source": filled.source,
        "incident": reference,
        "version": version,
        "written_at": written_at,
        "digest": filled.digest,
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
