"""People in no inventory: what is written down of them, and how they are shown."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from incident_app.domain.errors import BadInput, NotFound
from incident_app.domain.vocabulary import Channel, InvolvedRole

LONGEST = 300
TELEPHONE = re.compile(r"\s*\+?[\d\s()./-]{6,}\s*").fullmatch
HIDDEN = "●●●"
"""Of fixed length, so that it does not tell the length of what it hides."""


@dataclass(frozen=True, kw_only=True)
class Outsider:
    """A person outside the inventory: role, name, a way to reach them, and which items of theirs (or whose) it is."""

    role: InvolvedRole
    name: str = ""
    contact: str = ""
    items: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """Leave the person out of logs."""
        return f"Outsider(role={self.role.value!r})"


class TooLong(BadInput):
    """{field}: at most {longest} characters."""

    ja = "{field}：{longest}文字までです。"


class ControlCharacter(BadInput):
    """{field}: this has a character that cannot be seen. Type it anew."""

    ja = "{field}：目に見えない文字が含まれています。入力し直してください。"


def check_outsider(person: Outsider, *, all_items: frozenset[str]) -> None:
    """Refuse a person about whom nothing is known, unknown items, and text that hides characters."""
    for field, text in (("name", person.name), ("contact", person.contact)):
        if len(text) > LONGEST:
            raise TooLong(field=field, longest=LONGEST)
        if any(unicodedata.category(character).startswith("C") for character in text):
            raise ControlCharacter(field=field)
    if not person.name.strip() and not person.contact.strip():
        raise BadInput(field="name", problem="give a name or a contact")
    if unknown := sorted(person.items - all_items):
        raise NotFound(what="data item", name=", ".join(unknown))
    if person.role is InvolvedRole.AFFECTED and not person.items:
        raise BadInput(field="items", problem="say which items of this person are affected")


def contact_channel(contact: str) -> Channel | None:
    """Return how somebody is reached: an address with @ by mail, digits by telephone, anything else by post."""
    if not contact:
        return None
    if "@" in contact:
        return Channel.EMAIL
    return Channel.PHONE if TELEPHONE(unicodedata.normalize("NFKC", contact)) else Channel.POST


def masked_name(name: str) -> str:
    """Return a name of which only the first character can be read."""
    return f"{name[:1]}{HIDDEN}" if name else ""


def masked_contact(contact: str) -> str:
    """Return a contact of which only the first letter and the domain of an address can be read."""
    local, at_sign, domain = contact.rpartition("@")
    if at_sign and local:
        return f"{local[:1]}{HIDDEN}@{domain}"
    return HIDDEN if contact else ""
