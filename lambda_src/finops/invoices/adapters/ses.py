"""E-mail to customers."""

from __future__ import annotations

from typing import Any

from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from finops.invoices.messages import customer_mail
from finops.shared.aws import aws_errors


class SesCustomerMail:
    """`NotificationChannel` to the customer of a processed invoice that has an e-mail address."""

    def __init__(self, ses: Any, sender: str) -> None:
        self._ses = ses
        self._sender = sender

    def send(self, record: InvoiceRecord, event: str) -> None:
        address = record.invoice.text("customer_email") if record.invoice else ""
        if event != InvoiceStatus.PROCESSED.value or not address:
            return
        subject, text = customer_mail(record)
        with aws_errors("send_mail"):
            self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [address]},
                Content={
                    "Simple": {
                        "Subject": {"Data": subject, "Charset": "UTF-8"},
                        "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                    }
                },
            )
