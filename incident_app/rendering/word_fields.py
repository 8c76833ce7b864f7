"""What a Word file may ask Word to do when it is opened: nothing that starts programs or fetches from elsewhere."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Any

from docx.oxml.parser import parse_xml

_REFUSED = re.compile(r"DDE\w*|INCLUDE\w*|IMPORT|LINK|EMBED|DATABASE|RD|MACROBUTTON", re.IGNORECASE)
"""Fields that start a program, or put in a file, a picture or a table from elsewhere."""
_LINK_FIELD = re.compile(r'HYPERLINK\s+(?!\\l\b)(?:\\[a-z]\s+)*"?([^"\s]+)', re.IGNORECASE)
_FOLLOWED = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)
"""The links that a person follows knowingly; any other opens files or programs."""
_HYPERLINK, _CHUNK = "/hyperlink", "/aFChunk"
_NAMELESS = "a field whose name is made by another field"


def problem_in(package: zipfile.ZipFile) -> str | None:
    """Say what in a Word file reaches out, with the part and the field where it stands; None when nothing does."""
    for entry in package.infolist():
        name = entry.filename.lower()
        if name.endswith(".rels"):
            problem = _problem_in_relations(parse_xml(package.read(entry)))
        elif name.startswith("word/") and name.endswith(".xml"):
            problem = _problem_in_fields(parse_xml(package.read(entry)))
        else:
            continue
        if problem is not None:
            return f"{problem} (in {entry.filename})"
    return None


def _problem_in_relations(root: Any) -> str | None:  # noqa: ANN401 - an element of lxml, which has no types
    """Read the relations as Word does, not as they are spelt."""
    for found in root.iter("{*}Relationship"):
        kind, target = found.get("Type") or "", found.get("Target") or ""
        if kind.lower().endswith(_CHUNK.lower()):
            return "it holds macros or other documents"
        if (found.get("TargetMode") or "").lower() != "external":
            continue
        if not kind.endswith(_HYPERLINK):
            return "it loads a picture or a template from elsewhere"
        if not _FOLLOWED.match(target.strip()):
            return "a link leads to something other than a web page or a mail address"
    return None


def _problem_in_fields(root: Any) -> str | None:  # noqa: ANN401 - an element of lxml, which has no types
    for instruction in _instructions(root):
        if instruction is None:
            return _NAMELESS
        name = instruction.strip().split(maxsplit=1)[0].strip('"') if instruction.strip() else ""
        if _REFUSED.fullmatch(name):
            return f"it holds the field {name.upper()}, which starts a program or loads something from elsewhere"
        link = _LINK_FIELD.match(instruction.strip())
        if link and not _FOLLOWED.match(link[1]):
            return "it holds the field HYPERLINK to something other than a web page or a mail address"
    return None


def _instructions(root: Any) -> Iterator[str | None]:  # noqa: ANN401 - an element of lxml, which has no types
    """Return the instruction of each field, put together from its runs; None where another field makes its name."""
    under_way: list[list[str]] = []
    for element in root.iter("{*}fldSimple", "{*}fldChar", "{*}instrText", "{*}delInstrText"):
        kind = element.tag.rpartition("}")[2]
        if kind == "fldSimple":
            yield _attribute(element, "instr")
        elif kind == "fldChar":
            mark = _attribute(element, "fldCharType").lower()
            if mark == "begin":
                if under_way and not "".join(under_way[-1]).strip():
                    yield None
                under_way.append([])
            elif under_way and mark == "end":
                yield "".join(under_way.pop())
        elif under_way:
            under_way[-1].append(element.text or "")
        else:
            yield element.text or ""  # outside of any field, as only a forged file has it
    yield from ("".join(parts) for parts in under_way)


def _attribute(element: Any, name: str) -> str:  # noqa: ANN401 - an element of lxml, which has no types
    return next((str(value) for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")
