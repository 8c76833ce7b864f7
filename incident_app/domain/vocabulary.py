"""Closed sets that several steps share. Each member is the word in code, tables, playbooks and pages alike."""

from __future__ import annotations

from enum import StrEnum


class Certainty(StrEnum):
    """How sure we are that a person or a store was touched (K3)."""

    CONFIRMED = "confirmed"
    ASSUMED = "assumed"
    RULED_OUT = "ruled_out"


class Language(StrEnum):
    """Languages that people are written to in."""

    JA = "ja"
    EN = "en"


class Relation(StrEnum):
    """The people whom the policy protects."""

    CUSTOMER = "customer"
    BUSINESS_PARTNER = "business_partner"
    SHAREHOLDER = "shareholder"
    STAFF = "staff"


class PersonKind(StrEnum):
    """A natural person, or an organisation whose contact person is told."""

    PERSON = "person"
    ORGANISATION = "organisation"


class ItemFlag(StrEnum):
    """What law and notices must know about a data item. A closed set: regimes test these words."""

    SPECIAL_CARE = "special_care"
    PAYABLE = "payable"
    CREDENTIAL = "credential"
    CARD_NUMBER = "card_number"
    BANK_ACCOUNT = "bank_account"
    GOVERNMENT_ID_COPY = "government_id_copy"
    MY_NUMBER = "my_number"
    COMMUNICATIONS_SECRECY = "communications_secrecy"
    SPECIFIED_USER_INFORMATION = "specified_user_information"
    CONTACT = "contact"
    ONLINE_IDENTIFIER = "online_identifier"


class Protection(StrEnum):
    """How an item lies in a store."""

    NONE = "none"
    HASHED = "hashed"
    PSEUDONYMISED = "pseudonymised"
    ENCRYPTED_KEY_ELSEWHERE = "encrypted_key_elsewhere"


class OurRole(StrEnum):
    """Our role for the data of a store. Undecided never means that there is no duty (C10)."""

    OWN_CONTROLLER = "own_controller"
    PROCESSOR = "processor"
    CLOUD_NOT_HANDLING = "cloud_not_handling"
    UNDECIDED = "undecided"


class PartyRole(StrEnum):
    """What another company is to the data that we disclosed to it."""

    RECIPIENT = "recipient"
    PROCESSOR = "processor"
    JOINT_USER = "joint_user"
    UNDECIDED = "undecided"


class BusinessLine(StrEnum):
    """Decides which authority a report goes to."""

    TELECOM = "telecom"
    OTHER = "other"


class Harm(StrEnum):
    """What happened to the data."""

    CONFIDENTIALITY = "confidentiality"
    INTEGRITY = "integrity"
    AVAILABILITY = "availability"


class Cause(StrEnum):
    """Why it happened, as far as known. A lawful disclosure to an authority is not a leak and has no word here."""

    UNKNOWN = "unknown"
    UNAUTHORISED_ACCESS = "unauthorised_access"
    MALWARE = "malware"
    MISDIRECTED = "misdirected"
    LOSS_OR_THEFT = "loss_or_theft"
    STAFF = "staff"
    MISCONFIGURATION = "misconfiguration"
    OUTSIDE_PURPOSE = "outside_purpose"
    IMPROPER_ACQUISITION = "improper_acquisition"
    AT_PROCESSOR = "at_processor"


class Channel(StrEnum):
    """How a person can be reached."""

    EMAIL = "email"
    POST = "post"
    PHONE = "phone"


class Medium(StrEnum):
    """What a store is made of."""

    SYSTEM = "system"
    DATASET = "dataset"
    BACKUP = "backup"
    LOG = "log"
    PAPER = "paper"
    INPUT_PAGE = "input_page"
    """A page through which data is being acquired: what is typed there can leak before any store holds it."""


class DisclosureBasis(StrEnum):
    """How we know that a party holds an item: the published policy, or a contract or transfer list."""

    PUBLISHED = "published"
    ACTUAL = "actual"


class BuildStatus(StrEnum):
    """Customer-sized work is built in chunks that no reader sees, then sealed in one short transaction."""

    BUILDING = "building"
    SEALED = "sealed"


class ImportStatus(StrEnum):
    """Where an import stands. One that was cut off is finished by the same file, or abandoned: then nobody sees it."""

    BUILDING = "building"
    SEALED = "sealed"
    ABANDONED = "abandoned"


class Phase(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    CLOSED = "closed"


class ClockSource(StrEnum):
    """What started a clock."""

    DETECTED = "detected"
    DEPARTMENT = "department"
    TOLD_BY_PARTY = "told_by_party"
    THRESHOLD_PASSED = "threshold_passed"


class ListRelation(StrEnum):
    """What a list of customers does to a scope."""

    ADDS = "adds"
    RULES_OUT = "rules_out"
    ONLY = "only"


class RowRemark(StrEnum):
    """What is to be said of one row of a list of customers. All but the last two name nobody."""

    BROKEN = "broken"
    NO_KEY = "no_key"
    NO_MATCH = "no_match"
    CONTRADICTION = "contradiction"
    AMBIGUOUS_NUMBER = "ambiguous_number"
    SEVERAL_PEOPLE = "several_people"
    NUMBER_UNKNOWN = "number_unknown"


class MatchKey(StrEnum):
    """By what a row of a list is matched to a customer, in this order."""

    NUMBER = "number"
    EMAIL = "email"
    PHONE = "phone"


class ScopeFindingKind(StrEnum):
    """What was counted when a scope was set."""

    PAST_RETENTION = "past_retention"
    UPPER_BOUND = "upper_bound"


class InvolvedRole(StrEnum):
    """People outside the inventory who matter to an incident."""

    AFFECTED = "affected"
    RECEIVED_THE_DATA = "received_the_data"
    FOUND_IT = "found_it"


class CountKind(StrEnum):
    """How sure a number of people is."""

    EXACT = "exact"
    ESTIMATE = "estimate"
    MAXIMUM = "maximum"


class DutyStatus(StrEnum):
    """Where a duty stands."""

    TO_DECIDE = "to_decide"
    CLOCK_NOT_STARTED = "clock_not_started"
    OPEN = "open"
    FULFILLED = "fulfilled"
    WAIVED = "waived"
    SUPERSEDED = "superseded"


class FulfilmentKind(StrEnum):
    """What can fulfil a duty."""

    REPORT_SUBMISSION = "report_submission"
    PUBLICATION = "publication"
    CONTACT = "contact"
    PEOPLE_COMPUTED = "people_computed"


class MessageDirection(StrEnum):
    """Which way a message between us and another company went."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class MessageKind(StrEnum):
    """What a message between us and another company was."""

    FIRST_REPORT = "first_report"
    LIST_REQUEST = "list_request"
    LIST_RECEIVED = "list_received"
    ORDER = "order"
    TENANT_DATA_SHEET = "tenant_data_sheet"
    DELETION_CONFIRMED = "deletion_confirmed"


class StepStatus(StrEnum):
    """Where a response step stands."""

    TO_DO = "to_do"
    DOING = "doing"
    DONE = "done"
    SKIPPED = "skipped"


class Purpose(StrEnum):
    """Why people are written to. A person is in at most one open delivery per purpose."""

    LEAK_NOTICE = "leak_notice"
    UPDATE = "update"
    ALL_CLEAR = "all_clear"
    TENANT_DATA_SHEET = "tenant_data_sheet"


class JobKind(StrEnum):
    """Work too large for a web request."""

    IMPORT = "import"
    DETERMINE = "determine"
    FILL = "fill"
    LETTERS = "letters"
    EXPORT = "export"
    TEST_SEND = "test_send"
    REHEARSE = "rehearse"


class JobStatus(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"


class Subject(StrEnum):
    """What can be put before a second person."""

    NOTICE = "notice"
    CAMPAIGN = "campaign"
    REPORT = "report"
    WAIVER = "waiver"


class Verdict(StrEnum):
    """What the second person decided."""

    GRANTED = "granted"
    REJECTED = "rejected"
