"""A person at the pages: signing in, sending forms, and looking at what came back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

import flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.builders import PASSWORD

VOID = {"input", "meta", "link", "br", "hr", "img"}


def csrf_of(client: FlaskClient, path: str) -> str:
    page = client.get(path).get_data(as_text=True)
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def signed_in(app: flask.Flask, email: str = "author@example.jp") -> FlaskClient:
    client = app.test_client()
    token = csrf_of(client, "/sign-in")
    answer = client.post("/sign-in", data={"email": email, "password": PASSWORD, "csrf_token": token})
    assert answer.status_code == 302
    return client


def post(client: FlaskClient, shown: str, path: str, **fields: object) -> TestResponse:
    return client.post(path, data={"csrf_token": csrf_of(client, shown), **fields})


@dataclass
class Element:
    """An element of a page, with everything inside it."""

    tag: str
    attributes: dict[str, str | None]
    inside: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.inside)

    def all(self, tag: str = "", **wanted: str) -> list[Element]:
        """Return the elements inside with this tag and these attributes (`for_` stands for `for`)."""
        found = []
        for part in self.inside:
            if isinstance(part, str):
                continue
            if tag in {"", part.tag} and all(part.attributes.get(k.rstrip("_")) == v for k, v in wanted.items()):
                found.append(part)
            found += part.all(tag, **wanted)
        return found

    def one(self, tag: str = "", **wanted: str) -> Element:
        found = self.all(tag, **wanted)
        assert len(found) == 1, (tag, wanted, len(found))
        return found[0]

    def form(self, action: str) -> Element:
        """Return the only form that is sent to an address with this end."""
        found = [form for form in self.all("form") if (form.attributes.get("action") or "").endswith(action)]
        assert len(found) == 1, (action, len(found))
        return found[0]

    def value(self, name: str) -> str | None:
        """Return what stands in a field: typed, chosen, or nothing."""
        if lists := self.all("select", name=name):
            chosen = [option for option in lists[0].all("option") if "selected" in option.attributes]
            return (chosen or lists[0].all("option"))[0].attributes["value"]
        if areas := self.all("textarea", name=name):
            return areas[0].text.removeprefix("\n")
        fields = self.all("input", name=name)
        if fields[0].attributes.get("type") in {"radio", "checkbox"}:
            return " ".join(str(box.attributes["value"]) for box in fields if "checked" in box.attributes)
        return fields[0].attributes.get("value")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"<{tag}> says an attribute twice: {attrs}"
        made = Element(tag, dict(attrs))
        self.open[-1].inside.append(made)
        if tag not in VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].inside.append(data)


def read(answer: TestResponse) -> Element:
    """Read a page strictly: what is opened is closed, in order."""
    reader = _Reader()
    reader.feed(answer.get_data(as_text=True))
    assert len(reader.open) == 1, [element.tag for element in reader.open]
    return reader.open[0]


def check(page: Element) -> None:
    """Assert what holds for every page: one h1, unique ids, every field labelled, every reference met, no styles."""
    assert len(page.all("h1")) == 1
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids)), [name for name in ids if ids.count(name) > 1]
    wrapped = [name for label in page.all("label") for name in label.all("input")]
    labelled = {label.attributes.get("for") for label in page.all("label")}
    for element in page.all():
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
        for name in (element.attributes.get("aria-describedby") or "").split():
            assert name in ids, name
        if element.tag == "a" and (element.attributes.get("href") or "").startswith("#"):
            assert str(element.attributes["href"])[1:] in ids, element.attributes["href"]
        if element.tag in {"input", "select", "textarea"} and element.attributes.get("type") != "hidden":
            assert element in wrapped or element.attributes["id"] in labelled, element.attributes
    for form in page.all("form"):
        if form.attributes.get("method") == "post":
            assert form.one("input", name="csrf_token").attributes["value"]
    assert not page.all("script")


def refused_field(page: Element) -> Element:
    """Return the field that the summary points to, after looking at all that a refusal must show."""
    check(page)
    alert = page.one("div", role="alert")
    assert len(alert.all("a")) == 1, alert.text
    link = alert.one("a")
    at_fault = page.one(id=str(link.attributes["href"])[1:])
    marked = [element for element in page.all() if element.attributes.get("aria-invalid") == "true"]
    assert len(marked) == 1
    described = (marked[0].attributes.get("aria-describedby") or "").split()
    assert link.text in [page.one(id=name).text for name in described]
    assert marked[0] is at_fault or at_fault in marked[0].all("input")
    return at_fault
