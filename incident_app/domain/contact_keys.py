"""The forms in which two spellings of one telephone or customer number are equal."""

from __future__ import annotations

import re
import unicodedata

_EXTENSION = re.compile(r"(内線|ext\b|x\d).*$", re.IGNORECASE)
_JAPAN = "81"


def phone_key(text: str) -> str:
    """Return the digits of a telephone number as dialled in Japan; numbers abroad keep their plus. Empty for none.

    Full width, hyphens, brackets and spaces do not count; +81 is the 0 of a number in Japan; an extension is left out.
    """
    plain = _EXTENSION.sub("", unicodedata.normalize("NFKC", text)).strip()
    digits = "".join(character for character in plain if character in "0123456789")
    if not digits or not plain.startswith("+"):
        return digits
    if digits.startswith(_JAPAN):
        return "0" + digits[len(_JAPAN) :].lstrip("0")
    return "+" + digits


def number_spellings(text: str) -> tuple[str, ...]:
    """Return how a customer number may be stored: as written, in half width, then in capitals and in small letters."""
    written = text.strip()
    if written.isdecimal() and written.isascii():
        return (written,)
    plain = unicodedata.normalize("NFKC", written).strip()
    return tuple(dict.fromkeys(spelling for spelling in (written, plain, plain.upper(), plain.lower()) if spelling))
