"""The mailer's own refusals; none of their texts holds an address or a word of a message."""

from __future__ import annotations

from enum import StrEnum


class MailerError(Exception):
    """The mailer refused something, or could not do it."""


class AddressFault(StrEnum):
    """Why a text is not an address that mail can be sent to."""

    NO_AT_SIGN = "no_at_sign"
    EMPTY_LOCAL_PART = "empty_local_part"
    EMPTY_DOMAIN = "empty_domain"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    SPACE = "space"
    LOCAL_PART_NOT_ASCII = "local_part_not_ascii"
    STARTS_WITH_DOT = "starts_with_dot"
    SPECIAL_CHARACTER = "special_character"
    BAD_QUOTES = "bad_quotes"
    BAD_DOMAIN = "bad_domain"


class AddressRefused(MailerError):
    """The text is not an address that mail can be sent to."""

    def __init__(self, fault: AddressFault) -> None:
        self.fault = fault
        super().__init__(f"not a mail address: {fault.value.replace('_', ' ')}")


class HeaderRefused(MailerError):
    """A header's name or value cannot stand in a message."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"header {name!a} refused")


class ContentRefused(MailerError):
    """The text or the HTML of a message cannot be written as UTF-8."""


class CannotCompose(MailerError):
    """One delivery cannot be made into a message; the others can."""


class SharedFault(MailerError):
    """What many deliveries share is at fault: a person has to mend it before any of them can be sent."""


class SettingsRefused(MailerError):
    """The settings would send mail unsafely or not at all."""


class ConnectFault(StrEnum):
    """Why there is no connection to the mail server."""

    UNREACHABLE = "unreachable"
    TURNED_AWAY = "turned_away"
    NOT_OFFERED = "not_offered"
    NOT_TRUSTED = "not_trusted"
    LOGIN_REFUSED = "login_refused"


class CannotConnect(MailerError):
    """The mail server cannot be used now."""

    def __init__(self, fault: ConnectFault, text: str = "") -> None:
        self.fault = fault
        super().__init__(f"{fault.value}: {text}" if text else fault.value)


class JournalExists(MailerError):
    """There is a journal already: replay it before a fresh one takes its place."""


class JournalInUse(MailerError):
    """A living worker writes this journal."""


class JournalFailed(MailerError):
    """A mark could not be written whole, so nothing more may be sent."""
