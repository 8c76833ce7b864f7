"""Signing messages (DKIM: RFC 6376, Ed25519: RFC 8463) where the relay does not.

Header and body are canonicalised as "relaxed": servers on the way may refold headers and strip spaces at line ends.
A signed message must go out in seven bits, since whoever re-encodes it breaks the signature.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from notifications.errors import SettingsRefused

SIGNED = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"auto-submitted",
    b"mime-version",
    b"content-language",
    b"content-type",
    b"content-transfer-encoding",
)
"""Headers under the signature where they stand; From once more than it stands, so that none can be added."""
SMALLEST_RSA_BITS = 1024
"""RFC 8301, 3.2: keys below are not to be used."""
_DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")
_FOLD = re.compile(rb"\r\n(?=[ \t])")
_SPACES = re.compile(rb"[ \t]+")
_SPACES_AT_LINE_ENDS = re.compile(rb"[ \t]+(?=\r\n)")
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who signs: the domain, the selector under which its public key is published, and the private key."""

    domain: str
    selector: str
    key: PrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        if not _DOMAIN.fullmatch(self.domain) or not SELECTOR.fullmatch(self.selector):
            raise SettingsRefused("the DKIM domain and selector must be names in lower case")
        if isinstance(self.key, rsa.RSAPrivateKey) and self.key.key_size < SMALLEST_RSA_BITS:
            raise SettingsRefused(f"an RSA key for DKIM has at least {SMALLEST_RSA_BITS} bits")

    @property
    def algorithm(self) -> str:
        """Return how the signature is made, in the words of the standard."""
        return "rsa-sha256" if isinstance(self.key, rsa.RSAPrivateKey) else "ed25519-sha256"

    def signed(self, content: bytes, at: datetime) -> bytes:
        """Return the message with its signature in front. Every line must end with CRLF."""
        head, _, body = content.partition(b"\r\n\r\n")
        fields = _fields(head + b"\r\n")
        names, values = _chosen(fields)
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
        unsigned = (
            f"DKIM-Signature: v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n"
            f" s={self.selector}; t={int(at.timestamp())};\r\n"
            f" h={_folded(names)};\r\n"
            f" bh={body_hash};\r\n"
            " b="
        ).encode("ascii")
        signature = self._sign(b"".join(values) + _relaxed_field(unsigned).removesuffix(b"\r\n"))
        lines = [signature[at : at + 72] for at in range(0, len(signature), 72)]
        return unsigned + "\r\n ".join(lines).encode("ascii") + b"\r\n" + content

    def _sign(self, octets: bytes) -> str:
        if isinstance(self.key, rsa.RSAPrivateKey):
            made = self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        else:
            made = self.key.sign(hashlib.sha256(octets).digest())
        return base64.b64encode(made).decode("ascii")

    def dns_record(self) -> str:
        """Return what is to be published as a TXT record of `selector._domainkey.domain`."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            octets, kind = public.public_bytes(serialization.Encoding.DER, form), "rsa"
        else:
            octets, kind = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw), "ed25519"
        return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"


def read_key(pem: bytes) -> PrivateKey:
    """Read an unencrypted private key; SettingsRefused when it is none that can sign mail."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SettingsRefused("the DKIM key must be a private key in PEM without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise SettingsRefused("a DKIM key is an RSA or an Ed25519 key")
    return key


def relaxed_body(body: bytes) -> bytes:
    """Return the body as it is hashed: spaces run together, none at line ends, no empty lines at the end."""
    body = _SPACES.sub(b" ", _SPACES_AT_LINE_ENDS.sub(b"", body)).rstrip(b"\r\n")
    body = body.rstrip(b" ") if body.endswith(b" ") else body
    return body + b"\r\n" if body else b""


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    """Return the fields of a head with their lower-case names, each whole with its folds."""
    lines = re.split(rb"(?<=\r\n)(?![ \t])", head)
    return [(line.partition(b":")[0].strip().lower(), line) for line in lines if line]


def _chosen(fields: Sequence[tuple[bytes, bytes]]) -> tuple[list[str], list[bytes]]:
    """Return the names to be listed and the canonical fields, those that stand several times from the last up."""
    names, values = [], []
    for name in SIGNED:
        for found, line in reversed(fields):
            if found == name:
                names.append(name.decode("ascii"))
                values.append(_relaxed_field(line))
    return [*names, "from"], values


def _relaxed_field(line: bytes) -> bytes:
    name, _, value = _FOLD.sub(b"", line).partition(b":")
    return name.strip().lower() + b":" + _SPACES.sub(b" ", value.removesuffix(b"\r\n")).strip(b" ") + b"\r\n"


def _folded(names: Sequence[str]) -> str:
    lines, line = [], ""
    for name in names:
        if line and len(line) + len(name) > 70:  # noqa: PLR2004 - a short line
            lines.append(line)
            line = name
        else:
            line = f"{line}:{name}" if line else name
    return ":\r\n ".join([*lines, line])
