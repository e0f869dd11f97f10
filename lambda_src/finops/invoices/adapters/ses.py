"""E-mail to customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.messages import customer_addresses, customer_mail
from finops.shared.aws import aws_errors
from finops.shared.errors import ConfigurationError
from finops.shared.observability import MetricUnit, logger, metrics


class SesCustomerMail:
    """`NotificationChannel` to the customer of a processed invoice, if the deployment knows them.

    A mail that SES refuses is logged and counted as CustomerMailsRefused, and fails no invoice: no
    further try would send it.
    """

    name = "mail"

    def __init__(self, ses: Any, sender: str, customers: Mapping[str, Sequence[str]]) -> None:
        self._ses = ses
        self._sender = sender
        self._customers = customers

    def send(self, record: InvoiceRecord, event: str) -> bool:
        addresses = customer_addresses(record, self._customers)
        if event != InvoiceStatus.PROCESSED.value or not addresses:
            return False
        subject, text = customer_mail(record)
        try:
            with aws_errors("send_mail", remedy=f"Let the function send as {self._sender}"):
                self._ses.send_email(
                    FromEmailAddress=self._sender,
                    Destination={"ToAddresses": addresses},
                    Content={
                        "Simple": {
                            "Subject": {"Data": subject, "Charset": "UTF-8"},
                            "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                        }
                    },
                )
        except ConfigurationError:
            logger.exception("the customer's mail was refused", extra={"invoice_id": record.id})
            metrics.add_metric("CustomerMailsRefused", MetricUnit.Count, 1)
            return False
        return True
