"""Canonical text and digests: the one implementation behind every fingerprint in the product."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import NewType

ContentDigest = NewType("ContentDigest", str)
"""SHA-256, 64 lower-case hexadecimal digits."""


def canonical_text(value: object) -> str:
    """Write `value` as JSON in one way only: sorted keys, no spaces, UTF-8, UTC microseconds, no floats."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest_of(value: object) -> ContentDigest:
    """Return the SHA-256 of the canonical text of `value`."""
    return ContentDigest(hashlib.sha256(canonical_text(value).encode()).hexdigest())


def digest_of_bytes(content: bytes) -> ContentDigest:
    """Return the SHA-256 of raw bytes (files, mails)."""
    return ContentDigest(hashlib.sha256(content).hexdigest())


def keyed_digest(key: bytes, text: str) -> ContentDigest:
    """Return the HMAC-SHA-256 of `text`: equal texts match, but nobody without the key can try texts out."""
    return ContentDigest(hmac.digest(key, text.encode(), "sha256").hex())


def digest_of_content(key: bytes, content: bytes) -> ContentDigest:
    """Return the HMAC-SHA-256 of a mail as it left: it proves what was sent, and nobody without the key can try out."""
    return ContentDigest(hmac.digest(key, content, "sha256").hex())


def keyed_digests(key: bytes, texts: Iterable[str]) -> list[ContentDigest]:
    """Return `keyed_digest` of many texts."""
    digest = hmac.digest
    return [ContentDigest(digest(key, text.encode(), "sha256").hex()) for text in texts]


def utc_text(moment: datetime) -> str:
    """Write an aware time in UTC with microseconds. A naive time is a ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime: {moment!r}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return {"microseconds": value // timedelta(microseconds=1)}
    return _plain_container(value)


def _plain_container(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {_key(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((_plain(entry) for entry in value), key=lambda entry: json.dumps(entry, sort_keys=True))
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_plain(entry) for entry in value]
    raise TypeError(f"no canonical form for {type(value).__name__}")


def _key(key: object) -> str:
    plain = _plain(key)
    if not isinstance(plain, str):
        raise TypeError(f"keys must be text, not {type(key).__name__}")
    return plain
