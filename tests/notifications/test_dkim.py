"""Signatures, checked by another library."""

from __future__ import annotations

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.dkim import Signer, read_key
from notifications.errors import SettingsRefused
from notifications.message import to_bytes
from tests.notifications.builders import NOON, a_message
from tests.notifications.test_message import bodies, subjects


@pytest.fixture(scope="session", params=["rsa", "ed25519"])
def signer(request):
    key = ed25519.Ed25519PrivateKey.generate() if request.param == "ed25519" else rsa.generate_private_key(65537, 2048)
    return Signer(domain="sender.example", selector="mail.2026", key=key)


def is_valid(signer, content):
    def published(name, timeout=5):
        del timeout
        assert name == b"mail.2026._domainkey.sender.example."
        return signer.dns_record().encode()

    return dkim.verify(content, dnsfunc=published)


def test_another_library_finds_the_signature_valid_and_every_change_of_it_not(signer):
    content = signer.signed(to_bytes(a_message(headers={"Auto-Submitted": "auto-generated"}), eight_bit=False), NOON)
    assert is_valid(signer, content)
    assert content.count(b"DKIM-Signature:") == 1
    for before, after in (
        (b"Subject:", b"Subject: x"),
        (b"From:", b"From: x"),
        (b"To: customer-1@", b"To: customer-2@"),
        (b"auto-generated", b"no"),
        (b"text/html", b"text/plain"),
        (b"\r\nMIME-Version", b"\r\nFrom: other@evil.example\r\nMIME-Version"),
    ):
        changed = content.replace(before, after, 1)
        assert changed != content
        assert not is_valid(signer, changed), before
    head, _, body = content.partition(b"\r\n\r\n")
    assert not is_valid(signer, head + b"\r\n\r\nadded" + body)


def test_what_servers_on_the_way_may_change_does_not_break_it(signer):
    content = signer.signed(to_bytes(a_message(), eight_bit=False), NOON)
    refolded = content.replace(b"MIME-Version: 1.0", b"mime-version:   1.0  ").replace(
        b";\r\n boundary", b";\r\n\t boundary"
    )
    assert refolded != content
    assert is_valid(signer, b"Received: from somewhere\r\n" + refolded + b"\r\n\r\n")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(subject=subjects, text=bodies, html=st.none() | bodies, eight_bit=st.booleans())
def test_whatever_is_written_its_signature_is_valid(signer, subject, text, html, eight_bit):
    content = to_bytes(a_message(subject=subject, text=text, html=html), eight_bit=eight_bit)
    signed = signer.signed(content, NOON)
    assert signed.endswith(content)
    assert is_valid(signer, signed)
    assert max(map(len, signed.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    ("domain", "selector"), [("Sender.example", "a"), ("sender.example", "a b"), ("x", "a"), ("a.example;\r\nb", "a")]
)
def test_names_that_would_break_the_header_are_refused(domain, selector):
    with pytest.raises(SettingsRefused):
        Signer(domain=domain, selector=selector, key=ed25519.Ed25519PrivateKey.generate())


def pem_of(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_key_is_read_from_its_file_and_what_is_none_is_refused():
    key = ed25519.Ed25519PrivateKey.generate()
    assert read_key(pem_of(key)).public_key() == key.public_key()
    for pem in (b"", b"nonsense", pem_of(ec.generate_private_key(ec.SECP256R1()))):
        with pytest.raises(SettingsRefused):
            read_key(pem)


def test_the_key_is_not_shown():
    assert "key" not in repr(Signer(domain="a.example", selector="b", key=ed25519.Ed25519PrivateKey.generate()))
