"""The pack of a customer who entrusted data as one document for programs: the same content as page and print."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from incident_app.domain.tenant_packs import Estimate, TenantPack

JST = ZoneInfo("Asia/Tokyo")


def pack_document(pack: TenantPack) -> Mapping[str, object]:
    """Return the pack as plain values; an item that is not known yet is null, and the estimate says that it is one."""
    return {
        "incident": pack.incident_reference,
        "customer": pack.customer_number,
        "impact_version": pack.determination_version,
        "our_roles": [
            {"role": str(role), "ja": words.ja, "en": words.en}
            for role, words in zip(pack.our_roles, pack.role_words, strict=True)
        ],
        "we_became_aware_at": _at(pack.aware_at),
        "items": [
            {
                "item": item.number,
                "title": {"ja": item.title.ja, "en": item.title.en},
                "text": {"ja": item.text.ja, "en": item.text.en} if item.text else None,
            }
            for item in pack.items
        ],
        "count_subject": pack.count_subject,
        "person_count": pack.person_count_id,
        "estimated_preliminary_deadline": _estimate(pack.estimate),
        "contract": {"notice_hours": pack.notice_hours, "reference": pack.contract_reference},
        "offers_to_report": pack.offers_report,
    }


def _estimate(estimate: Estimate | None) -> Mapping[str, object] | None:
    if estimate is None:
        return None
    return {
        "is_estimate": True,
        "due_at": _at(estimate.due_at),
        "counted_from": _at(estimate.told_at),
        "as_if_told_now": estimate.is_assumed,
        "explanation": {"ja": list(estimate.explanation_ja), "en": list(estimate.explanation_en)},
        "source": estimate.source,
    }


def _at(moment: datetime | None) -> str | None:
    return moment.astimezone(JST).isoformat() if moment else None
