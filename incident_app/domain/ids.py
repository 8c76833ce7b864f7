"""Identities that must not be mixed, each with a type of its own."""

from __future__ import annotations

from typing import NewType

CustomerId = NewType("CustomerId", int)
IncidentId = NewType("IncidentId", int)
ScopeId = NewType("ScopeId", int)
DeterminationId = NewType("DeterminationId", int)
CampaignId = NewType("CampaignId", int)
NoticeId = NewType("NoticeId", int)
ReportId = NewType("ReportId", int)
UserId = NewType("UserId", int)

ItemCode = NewType("ItemCode", str)
StoreCode = NewType("StoreCode", str)
PartyCode = NewType("PartyCode", str)
Actor = NewType("Actor", str)
"""Who acts: "user:7" for an account, "system:worker" for a timer. Never a name or an address."""
