"""Mail addresses: which can be sent to, how they look on the wire, and when two are the same."""

from __future__ import annotations

import re
import unicodedata

from notifications.errors import AddressFault, AddressRefused

LONGEST_ADDRESS = 254
"""Octets on the wire: RFC 5321, 4.5.3.1.3, less the angle brackets."""
LONGEST_LOCAL_PART = 64
"""Octets of a local part that is not ASCII: RFC 5321, 4.5.3.1.1. Old ASCII ones that are longer exist and work."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_WIDE_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]"
"""RFC 6531, 3.3: whatever is not ASCII stands in an atom like a letter."""
_DOT_ATOM = re.compile(rf"{_ATOM}+(?:\.{_ATOM}+)*")
_WIDE_DOT_ATOM = re.compile(rf"{_WIDE_ATOM}+(?:\.{_WIDE_ATOM}+)*")
_ATOMS_AND_DOTS = re.compile(rf"(?:{_ATOM}|\.)+")
_QUOTED = re.compile(r'"(?:[!#-\[\]-~]|\\[!-~])+"')
_ESCAPED = re.compile(r"\\(.)")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+\Z){_LABEL}")


class Address(str):
    """An address that `parse_address` has checked; it shows itself masked."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Address({self[:1]}…@{domain_of(self)})"


def parse_address(text: str, *, international: bool = False) -> Address:
    """Check an address and bring its domain into one form; refuse what cannot be sent to with the reason.

    `international` lets other letters than ASCII stand before the at sign: only servers that announce SMTPUTF8 take
    such a recipient. A domain always gets its ASCII form, which every server takes.
    """
    _refuse_unseen_characters(text)
    local_part, at_sign, domain = text.rpartition("@")
    if not at_sign:
        raise AddressRefused(AddressFault.NO_AT_SIGN)
    if international and not local_part.isascii():
        address = Address(f"{_checked_wide_local_part(local_part)}@{_checked_domain(domain)}")
    else:
        address = Address(f"{_checked_local_part(local_part)}@{_checked_domain(domain)}")
    if len(wire_form(address).encode()) > LONGEST_ADDRESS:
        raise AddressRefused(AddressFault.TOO_LONG)
    return address


def domain_of(address: str) -> str:
    """Return what stands behind the last at sign."""
    return address.rpartition("@")[2]


def normalised(address: Address) -> str:
    """Return the form in which two spellings of one mailbox are equal."""
    return f"{_local_part_of(address).casefold()}@{domain_of(address).lower()}"


def is_irregular(address: Address) -> bool:
    """Tell whether the local part has dots where the standard allows none, as old carrier addresses do."""
    local_part = _local_part_of(address)
    return not local_part.startswith('"') and not _WIDE_DOT_ATOM.fullmatch(local_part)


def needs_smtputf8(address: str) -> bool:
    """Tell whether only a server that announces SMTPUTF8 (RFC 6531) takes this address."""
    return not address.isascii()


def wire_form(address: Address) -> str:
    """Return the address as it stands in SMTP commands and headers: an irregular local part is quoted."""
    local_part, domain = _local_part_of(address), domain_of(address)
    if not _DOMAIN.fullmatch(domain):
        raise AddressRefused(AddressFault.BAD_DOMAIN)
    if _DOT_ATOM.fullmatch(local_part) or _QUOTED.fullmatch(local_part):
        return str(address)
    if not local_part.isascii() and _WIDE_DOT_ATOM.fullmatch(local_part):
        return str(address)
    if _ATOMS_AND_DOTS.fullmatch(local_part):
        return f'"{local_part}"@{domain}'
    raise AddressRefused(AddressFault.SPECIAL_CHARACTER)


def _local_part_of(address: str) -> str:
    return address.rpartition("@")[0]


def _refuse_unseen_characters(text: str) -> None:
    if len(text) > LONGEST_ADDRESS:
        raise AddressRefused(AddressFault.TOO_LONG)
    if any(unicodedata.category(character).startswith("C") for character in text):
        raise AddressRefused(AddressFault.CONTROL_CHARACTER)
    if any(character.isspace() for character in text):
        raise AddressRefused(AddressFault.SPACE)


def _checked_local_part(local_part: str) -> str:
    if not local_part:
        raise AddressRefused(AddressFault.EMPTY_LOCAL_PART)
    if not local_part.isascii():
        raise AddressRefused(AddressFault.LOCAL_PART_NOT_ASCII)
    if '"' in local_part:
        return _without_needless_quotes(local_part)
    if local_part.startswith("."):
        raise AddressRefused(AddressFault.STARTS_WITH_DOT)
    if not _ATOMS_AND_DOTS.fullmatch(local_part):
        raise AddressRefused(AddressFault.SPECIAL_CHARACTER)
    return local_part


def _checked_wide_local_part(local_part: str) -> str:
    """Check a local part with other letters than ASCII; two ways of writing one letter become one."""
    local_part = unicodedata.normalize("NFC", local_part)
    if not _WIDE_DOT_ATOM.fullmatch(local_part):
        raise AddressRefused(AddressFault.LOCAL_PART_NOT_ASCII)
    if len(local_part.encode()) > LONGEST_LOCAL_PART:
        raise AddressRefused(AddressFault.TOO_LONG)
    return local_part


def _without_needless_quotes(local_part: str) -> str:
    if not _QUOTED.fullmatch(local_part):
        raise AddressRefused(AddressFault.BAD_QUOTES)
    plain = _ESCAPED.sub(r"\1", local_part[1:-1])
    if _ATOMS_AND_DOTS.fullmatch(plain) and not plain.startswith("."):
        return plain
    return '"' + re.sub(r'(["\\])', r"\\\1", plain) + '"'


def _checked_domain(domain: str) -> str:
    if not domain:
        raise AddressRefused(AddressFault.EMPTY_DOMAIN)
    try:
        a_labels = domain.lower() if domain.isascii() else domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise AddressRefused(AddressFault.BAD_DOMAIN) from None
    if not _DOMAIN.fullmatch(a_labels):
        raise AddressRefused(AddressFault.BAD_DOMAIN)
    return a_labels
