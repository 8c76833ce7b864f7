"""Return addresses that name the message they belong to, signed so that nobody can make one up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from notifications.addresses import Address, parse_address

TOKEN_LENGTH = 24
"""Hexadecimal digits of a delivery's token: 12 random bytes."""
SIGNATURE_LENGTH = 10
"""Characters of five bits each: one forgery in 10^15 tries is taken, and each try is a mail."""
LONGEST_MAILBOX = 64 - 1 - TOKEN_LENGTH - SIGNATURE_LENGTH
"""Characters of the part before the plus sign: a local part holds 64 (RFC 5321, 4.5.3.1.1)."""
_PURPOSE = b"return address\0"
_NAMED = re.compile(
    rf"(?<![a-z0-9.+_-])([a-z0-9._-]{{1,64}})\+([0-9a-f]{{{TOKEN_LENGTH}}})([a-z2-7]*)@", re.IGNORECASE | re.ASCII
)


@dataclass(frozen=True, kw_only=True)
class ReturnPath:
    """The mailbox that returned mail comes back to; with a key, its addresses are signed."""

    mailbox: str
    """The part before the plus sign."""
    domain: str
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.mailbox) > LONGEST_MAILBOX:
            raise ValueError(f"the mailbox may have at most {LONGEST_MAILBOX} characters before the at sign")

    def address_for(self, token: str) -> Address:
        """Return the envelope sender of the message with this token."""
        return parse_address(self.written_for(token))

    def written_for(self, token: str) -> str:
        """Write the same address without checking it anew: what stands before and behind the token never changes."""
        return f"{self.mailbox}+{token}{self._signature(token)}@{self.domain}"

    def tokens_in(self, text: str) -> frozenset[str]:
        """Return the tokens of the genuine return addresses in a text; forged and altered ones are none.

        Servers on the way may write everything in capitals or small letters, so neither says anything; nor does the
        domain, under which a mailbox may have several names.
        """
        return frozenset(
            token.lower()
            for mailbox, token, signature in _NAMED.findall(text)
            if mailbox.lower() == self.mailbox.lower() and self._is_genuine(token.lower(), signature.lower())
        )

    def token_of(self, texts: Iterable[str]) -> str | None:
        """Return the token that the first text with any names; None when there is none, or more than one in it."""
        for text in texts:
            found = self.tokens_in(text)
            if found:
                return next(iter(found)) if len(found) == 1 else None
        return None

    def _is_genuine(self, token: str, signature: str) -> bool:
        return hmac.compare_digest(self._signature(token).encode(), signature.encode())

    def _signature(self, token: str) -> str:
        if self.key is None:
            return ""
        digest = hmac.digest(self.key, _PURPOSE + token.lower().encode(), hashlib.sha256)
        return base64.b32encode(digest).decode("ascii").lower()[:SIGNATURE_LENGTH]
