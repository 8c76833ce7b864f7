"""Events of returning: mail that came back, what it was matched to, addresses that are written to again."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event(
    "mail.returned",
    ja="戻ってきたメールを読みました（新しいもの {mails}通、宛先の分からないもの {unmatched}通）",
    en="Returned mail read ({mails} new, {unmatched} unmatched)",
)
class MailReturned(EventFacts):
    mails: int
    unmatched: int
    digest: str


@event(
    "bounces.matched",
    ja="戻りを宛先に結び付けました（{matched}通、うち届かなかったもの {bounced}通、止めた宛先 {closed}件）",
    en="Returned mail matched to recipients ({matched} mails, {bounced} not delivered, {closed} addresses closed)",
)
class BouncesMatched(EventFacts):
    matched: int
    bounced: int
    closed: int
    digest: str


@event(
    "bounce.assigned",
    ja="戻りメール {bounce_id} を送信 {delivery_id} に結び付けました",
    en="Returned mail {bounce_id} assigned to delivery {delivery_id} by hand",
)
class BounceAssigned(EventFacts):
    bounce_id: int
    delivery_id: int
    reason_digest: str


@event(
    "bounce.dismissed",
    ja="戻りメール {bounce_id} を対象外としました",
    en="Returned mail {bounce_id} set aside: it is about none of our messages",
)
class BounceDismissed(EventFacts):
    bounce_id: int
    reason_digest: str


@event(
    "suppression.lifted",
    ja="止めていた宛先（記録 {suppression_id}）への送信を再び認めました",
    en="Suppression {suppression_id} lifted: the address may be written to again",
)
class SuppressionLifted(EventFacts):
    suppression_id: int
    reason_digest: str
