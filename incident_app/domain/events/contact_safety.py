"""Events of contact safety: which company runs which channel, and that one was used all the same."""

from __future__ import annotations

from incident_app.domain.events.base import EventFacts, event


@event(
    "channel.recorded",
    ja="{party} が運営する連絡手段を記録しました（{channel} {domain}）",
    en="{party} runs a channel: {channel} {domain}",
)
class ChannelRecorded(EventFacts):
    party: str
    channel: str
    domain: str


@event(
    "channel.dropped",
    ja="{party} は、この連絡手段を運営していません（{channel} {domain}）",
    en="{party} no longer runs a channel: {channel} {domain}",
)
class ChannelDropped(EventFacts):
    party: str
    channel: str
    domain: str


@event(
    "channel.allowed",
    ja="第{wave}波で、漏えい元が運営する連絡手段を、理由を付けて使います（{channels}）",
    en="Wave {wave} uses channels of companies at which the data leaked, with a reason ({channels})",
)
class ChannelAllowed(EventFacts):
    campaign_id: int
    wave: int
    channels: str
    reason_digest: str
