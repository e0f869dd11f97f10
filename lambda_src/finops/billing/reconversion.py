"""Converting loaded bills again, with the rates that are known now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from finops.billing.audit_events import reconverted_event
from finops.billing.domain import ConvertedBill, Reconversion
from finops.billing.ports import Clock, ReconversionStore
from finops.billing.schemas import BILLING
from finops.shared.audit import AuditRecorder
from finops.shared.errors import RejectedInput
from finops.shared.money import EXACT, product
from finops.shared.rates import ExchangeRates


@dataclass(slots=True)
class Reconverter:
    """Converts bills again. Nothing else changes the USD amount of a bill once it is loaded."""

    store: ReconversionStore
    rates: ExchangeRates
    audit: AuditRecorder
    clock: Clock

    def reconvert(
        self, dataset: str, first: date, last: date, *, requested_by: str, reason: str
    ) -> Reconversion:
        """Convert the bills of a dataset, in one transaction with its entry in the database.

        A bill whose rate is the same, or that no rate may convert now, stays as it is.

        Args:
            dataset: Whose bills.
            first: First bill date.
            last: Last bill date, included.
            requested_by: Who asked for it.
            reason: Why; kept with who and when.

        Raises:
            RejectedInput: `amount_out_of_range`: the table cannot hold a bill's USD amount. No bill
                is changed.
        """
        requested_at = self.clock()
        changed, before, after = 0, Decimal(0), Decimal(0)
        with self.store.transaction() as transaction:
            for bills in transaction.bills(dataset, first, last):
                converted = []
                for bill in bills:
                    again = self._converted(bill)
                    if again is not None:
                        converted.append(again)
                        before = EXACT.add(before, bill.amount_usd)
                        after = EXACT.add(after, again.amount_usd)
                if converted:
                    transaction.store(dataset, converted)
                    changed += len(converted)
            done = Reconversion(
                dataset=dataset,
                first_day=first,
                last_day=last,
                requested_by=requested_by,
                requested_at=requested_at,
                reason=reason,
                rows_changed=changed,
                usd_before=before,
                usd_after=after,
            )
            transaction.enter(done)
        self.audit.record(reconverted_event(done))
        return done

    def _converted(self, bill: ConvertedBill) -> ConvertedBill | None:
        """The bill by the rate that is known now; None where it stays as it is."""
        rate = self.rates.rate_on(bill.currency, bill.bill_date)
        if rate is None or (rate.rate_date, rate.usd_per_unit) == (
            bill.rate_date,
            bill.usd_per_unit,
        ):
            return None
        usd = product(bill.amount, rate.usd_per_unit, BILLING.decimals)
        if abs(usd) >= Decimal(10) ** BILLING.digits:
            # MySQL would take it for NULL, and MariaDB for the largest number that fits.
            raise RejectedInput(
                f"bill {bill.record_id} of {bill.amount:f} {bill.currency} would be more USD than"
                f" the table holds, by the rate {rate.usd_per_unit:f} of {rate.rate_date}",
                code="amount_out_of_range",
                field="amount_usd",
                value=f"{usd:f}",
                remedy="Correct the rate; no bill was changed",
            )
        return replace(
            bill,
            amount_usd=usd,
            usd_per_unit=rate.usd_per_unit,
            rate_date=rate.rate_date,
            rate_source=rate.source,
        )
