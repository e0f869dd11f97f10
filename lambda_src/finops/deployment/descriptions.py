"""Files, invoices and verdicts as JSON documents for the command line and the console.

Amounts are strings, times are ISO 8601 with a zone, and unknown values are null.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from finops.audit.trail_verifier import Verdict
from finops.billing.domain import NOTES, FileEntry
from finops.invoices.domain import InvoiceRecord
from finops.invoices.export import as_json
from finops.invoices.vendors.vendor import FactKind, Vendor

#: What is shown of each stream of a verdict.
STREAM_COLUMNS: Final = (
    "stream",
    "entries",
    "last_sequence",
    "sealed_sequence",
    "problems",
    "unproven_actors",
)


def file_document(entry: FileEntry) -> dict[str, Any]:
    """A file of the billing ledger."""
    tally = entry.tally
    return {
        "load_id": entry.load_id,
        "file": entry.source.key,
        "dataset": entry.dataset,
        "status": entry.status.value,
        "rows_read": tally.read,
        "rows_inserted": tally.inserted,
        "rows_updated": tally.updated,
        "rows_unchanged": tally.unchanged,
        "rows_superseded": tally.superseded,
        "rows_quarantined": tally.quarantined,
        "amount_usd": None if entry.amount_usd is None else f"{entry.amount_usd:.6f}",
        "amounts": {currency: f"{amount:f}" for currency, amount in entry.amounts.items()},
        "quarantine_uri": entry.quarantine_uri or None,
        "corrects": entry.source.corrects or None,
        "format": {"source": entry.format.source, "version": entry.format.version}
        if entry.format
        else None,
        "notes": [
            {"note": name, "count": count, "message": f"{NOTES.get(name, name)}: {count}"}
            for name, count in sorted(tally.notes.items())
        ],
        "error": entry.error or None,
        "error_code": entry.error_code or None,
        "received_at": _instant(entry.received_at),
        "finished_at": _instant(entry.finished_at),
    }


def _instant(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def invoice_document(record: InvoiceRecord) -> dict[str, Any]:
    """An invoice as in an export, with its state."""
    reasons = [issue.message for issue in record.issues if issue.severity != "FLAG"]
    if record.failure and not record.failure.resumed:
        reasons.append(f"{record.failure.step} failed: {record.failure.cause}")
    return as_json(record) | {
        "reason": "; ".join(reasons) or None,
        "failed_step": record.failure.step if record.failure else None,
        "vendor_id": record.vendor_id or None,
        "submitted_by": record.submitted_by or None,
        "cost_usd": f"{record.cost_usd:f}",
        "saved_usd": f"{record.saved_usd:f}",
        "erased_at": _instant(record.erasure.at if record.erasure else None),
    }


def invoice_fields(record: InvoiceRecord) -> list[dict[str, Any]]:
    """Each field with its place on the page and its confidence."""
    if record.invoice is None:
        return []
    return [
        {
            "field": name,
            "value": one.value,
            "text": one.text,
            "label": one.label,
            "confidence": f"{one.confidence:.1f}",
            "page": one.place.page if one.place else None,
            "place": None
            if one.place is None
            else {
                "left": one.place.left,
                "top": one.place.top,
                "width": one.place.width,
                "height": one.place.height,
            },
            "source": one.source,
            "reason": one.doubt or None,
        }
        for name, one in record.invoice.readings.items()
    ]


def invoice_reviews(record: InvoiceRecord) -> list[dict[str, Any]]:
    """Who decided what, and when."""
    return [
        {
            "at": one.at.isoformat(),
            "reviewer": one.reviewer,
            "decision": one.decision,
            "reason": one.reason or None,
            "before": dict(one.before),
            "after": dict(one.after),
            "settled": list(one.settled),
        }
        for one in record.reviews
    ]


def vendor_document(vendor: Vendor) -> dict[str, Any]:
    """A vendor: what is used of it, each fact with its origin, and its changes."""
    used = {kind: list(vendor.known(kind)) for kind in FactKind}
    return {
        "id": vendor.id,
        "name": vendor.name,
        "vat_id": next(iter(used[FactKind.VAT_ID]), None),
        "vat_ids": used[FactKind.VAT_ID],
        "ibans": used[FactKind.IBAN],
        "accounts": used[FactKind.ACCOUNT],
        "aliases": used[FactKind.ALIAS],
        "domains": used[FactKind.DOMAIN],
        "country": vendor.only(FactKind.COUNTRY) or None,
        "currency": vendor.only(FactKind.CURRENCY) or None,
        "number_forms": used[FactKind.NUMBER_FORM],
        "date_order": vendor.only(FactKind.DATE_ORDER) or None,
        "updated_at": vendor.updated_at.isoformat(),
        "facts": [
            {
                "kind": one.kind.value,
                "value": one.value,
                "state": one.state,
                "known": one.is_known,
                "approved_by": [approval.approver for approval in one.approvals],
                "invoices": [approval.invoice_id for approval in one.approvals],
                "set_by": one.set_by or None,
                "revoked_by": one.revoked_by or None,
            }
            for one in vendor.facts
        ],
        "history": [
            {
                "at": one.at.isoformat(),
                "actor": one.actor,
                "actor_proven": one.proven,
                "why": one.why,
                "changes": [
                    f"{change.kind} {change.value}: {change.before or 'nothing'} → "
                    f"{change.after or 'nothing'}"
                    for change in one.facts
                ],
            }
            for one in vendor.history
        ],
    }


def verdict_document(verdict: Verdict, *, signed: bool) -> dict[str, Any]:
    """What a verification of the audit trail found."""
    found = Counter(problem.stream for problem in verdict.problems)
    return {
        "entries": verdict.entries,
        "ok": verdict.ok,
        "first_bad": asdict(verdict.first_bad) if verdict.first_bad else None,
        "problems": [asdict(problem) for problem in verdict.problems],
        "problem_count": verdict.problem_count,
        "unproven_actors": verdict.unproven,
        "streams": [
            {
                "stream": one.stream,
                "entries": one.entries,
                "last_sequence": one.end.sequence if one.end else None,
                "last_hash": one.end.hash if one.end else None,
                "sealed_sequence": one.sealed,
                "unproven_actors": one.unproven,
                "problems": found[one.stream],
            }
            for one in verdict.streams
        ],
        "heads": {
            "count": verdict.heads,
            "last_at": verdict.last_head.get("written_at") if verdict.last_head else None,
            "signed": signed,
        },
    }
