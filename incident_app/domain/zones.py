"""The zone in which days and deadlines of this company are told: Japan has one, without summer time."""

from __future__ import annotations

from zoneinfo import ZoneInfo

JST = ZoneInfo("Asia/Tokyo")
