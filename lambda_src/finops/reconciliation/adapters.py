"""AWS behind the ports of a reconciliation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from finops.billing.domain import Rate
from finops.budgets.adapters import DynamoBudgetTable
from finops.budgets.domain import TimeUnit
from finops.budgets.rows import parse_budget
from finops.reconciliation.configuration import DatedRate, OrganizationTags
from finops.reconciliation.domain import IssuedInvoice, UnitBudget
from finops.reconciliation.mapping import Account, Ownership
from finops.reconciliation.rendering import MEDIA_TYPES
from finops.shared.aws import AssumedRoles, aws_errors
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.periods import Month

_INVOICES_AT_ONCE: Final = 100
#: A payer's documents come in the months after theirs.
_MONTHS_AFTER: Final = 2
#: How far back a rate is looked for.
_RATE_AGE: Final = timedelta(days=31)


class PayerAccounts:
    """Clients of the payer accounts: the own one, and others by their roles.

    Args:
        own_account: Whose credentials `own` has.
        own: Makes its clients.
        roles: Of the other payers; None where there are none.
    """

    def __init__(
        self, own_account: str, own: Callable[[str], Any], roles: AssumedRoles | None
    ) -> None:
        self._own_account = own_account
        self._own = cache(own)
        self._roles = roles

    def client(self, service: str, payer: str) -> Any:
        """A client in the payer's account."""
        if payer == self._own_account or not self._roles:
            return self._own(service)
        return self._roles.client(service, payer)


class AwsCostExplorer:
    """`CostExplorer` of the payers."""

    def __init__(self, payers: PayerAccounts, *, role_name: str) -> None:
        self._payers = payers
        self._role_name = role_name

    def page(self, payer: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """See the port."""
        with aws_errors(f"cost_explorer of {payer}", remedy=_remedy(payer, self._role_name)):
            answer: Mapping[str, Any] = self._payers.client("ce", payer).get_cost_and_usage(
                **request
            )
        return answer


class AwsInvoices:
    """`IssuedInvoices` by AWS's Invoicing API.

    https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_invoicing_ListInvoiceSummaries.html
    """

    def __init__(self, accounts: PayerAccounts, payers: Sequence[str], *, role_name: str) -> None:
        self._accounts = accounts
        self._payers = payers
        self._role_name = role_name

    def of_month(self, month: Month) -> list[IssuedInvoice]:
        """See the port."""
        return [one for payer in self._payers for one in self._of_payer(payer, month)]

    def _of_payer(self, payer: str, month: Month) -> Iterator[IssuedInvoice]:
        remedy = _remedy(payer, self._role_name)
        with aws_errors(f"list_invoices of {payer}", remedy=remedy):
            pages = (
                self._accounts.client("invoicing", payer)
                .get_paginator("list_invoice_summaries")
                .paginate(
                    Selector={"ResourceType": "ACCOUNT_ID", "Value": payer},
                    Filter={
                        "BillingPeriod": {"Month": month.first.month, "Year": month.first.year}
                    },
                    PaginationConfig={"PageSize": _INVOICES_AT_ONCE},
                )
            )
            for page in pages:
                for summary in page["InvoiceSummaries"]:
                    # A receipt says that an invoice was paid: it asks for nothing.
                    if summary.get("InvoiceType") != "PAYMENT_RECEIPT":
                        yield _issued(payer, summary)


def _issued(payer: str, summary: Mapping[str, Any]) -> IssuedInvoice:
    paid, base = summary["PaymentCurrencyAmount"], summary["BaseCurrencyAmount"]
    taxes = paid.get("AmountBreakdown", {}).get("Taxes", {}).get("TotalAmount")
    rate = paid.get("CurrencyExchangeDetails", {}).get("Rate")
    base_taxes = base.get("AmountBreakdown", {}).get("Taxes", {}).get("TotalAmount")
    sign = -1 if summary.get("InvoiceType") == "CREDIT_MEMO" else 1

    def amount(text: str) -> Decimal:
        # A credit memo gives money back, whichever way its amount is signed.
        return -abs(Decimal(text)) if sign < 0 else Decimal(text)

    return IssuedInvoice(
        payer=payer,
        number=summary["InvoiceId"],
        issuer=summary.get("Entity", {}).get("InvoicingEntity", ""),
        amount=amount(paid["TotalAmount"]),
        currency=paid["CurrencyCode"],
        tax=amount(taxes) if taxes else None,
        base_amount=amount(base["TotalAmount"]),
        base_currency=base["CurrencyCode"],
        base_tax=amount(base_taxes) if base_taxes else None,
        exchange_rate=Decimal(rate) if rate else None,
        issued_on=summary["IssuedDate"].date() if "IssuedDate" in summary else None,
    )


class DynamoProcessedInvoices:
    """`ProcessedInvoices` in the invoices flow's table, by the attributes that it shows people.

    Args:
        dynamodb: The client.
        table: Its name.
        number_key: An invoice number as it is compared with others.
        vendor_key: A vendor's name as it is compared with others.
    """

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        *,
        number_key: Callable[[str], str],
        vendor_key: Callable[[str], str],
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._number_key = number_key
        self._vendor_key = vendor_key

    def numbered(self, numbers: Iterable[str], month: Month) -> list[IssuedInvoice]:
        """See the port."""
        wanted = {self._number_key(one) for one in numbers}
        return [
            found
            for received in range(_MONTHS_AFTER + 1)
            for item in self._received(month.plus(received))
            if (found := _processed(item))
            and (
                self._number_key(found.number) in wanted
                or (_is_cloud(self._vendor_key(found.issuer)) and _is_of(found, month))
            )
        ]

    def _received(self, month: Month) -> Iterator[Mapping[str, Any]]:
        with aws_errors("read_processed_invoices"):
            pages = self._dynamodb.get_paginator("query").paginate(
                TableName=self._table,
                IndexName="by_month",
                KeyConditionExpression="received_month = :month",
                FilterExpression="#status = :processed",
                ProjectionExpression="vendor, invoice_number, invoice_date, currency, #total",
                ExpressionAttributeNames={"#status": "status", "#total": "total"},
                ExpressionAttributeValues={
                    ":month": {"S": str(month)},
                    ":processed": {"S": "PROCESSED"},
                },
            )
            for page in pages:
                yield from page["Items"]


def _processed(item: Mapping[str, Any]) -> IssuedInvoice | None:
    text = {name: value["S"] for name, value in item.items()}
    if not {"invoice_number", "currency", "total"} <= text.keys():
        return None
    issued_on = text.get("invoice_date")
    return IssuedInvoice(
        payer="",
        number=text["invoice_number"],
        issuer=text.get("vendor", ""),
        amount=Decimal(text["total"]),
        currency=text["currency"],
        issued_on=date.fromisoformat(issued_on) if issued_on else None,
    )


def _is_cloud(vendor_key: str) -> bool:
    return vendor_key.startswith(("amazonwebservices", "aws"))


def _is_of(one: IssuedInvoice, month: Month) -> bool:
    """Whether an invoice is of a month: AWS dates it in the first days of the next one."""
    return one.issued_on is not None and Month.of(one.issued_on).plus(-1) == month


class OrganizationsDirectory:
    """`Directory` by AWS Organizations."""

    def __init__(self, organizations: Any) -> None:
        self._organizations = organizations

    def accounts(self, tags: OrganizationTags) -> list[Account]:
        """See the port."""
        with aws_errors("list_accounts"):
            pages = self._organizations.get_paginator("list_accounts").paginate()
            found = [account for page in pages for account in page["Accounts"]]
            return [
                Account(id=one["Id"], name=one["Name"], ownership=self._ownership(one["Id"], tags))
                for one in found
            ]

    def _ownership(self, account: str, tags: OrganizationTags) -> Ownership | None:
        pages = self._organizations.get_paginator("list_tags_for_resource").paginate(
            ResourceId=account
        )
        found = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
        unit = found.get(tags.business_unit, "")
        if not unit:
            return None
        return Ownership(
            business_unit=unit,
            cost_centre=found.get(tags.cost_centre, ""),
            owner=found.get(tags.owner, ""),
            environment=found.get(tags.environment, ""),
        )


class TableBudgets:
    """`BudgetRows` in the budgets flow's table. A row that the flow would refuse is no budget."""

    def __init__(self, table: DynamoBudgetTable) -> None:
        self._table = table

    def monthly(self) -> dict[str, list[UnitBudget]]:
        """See the port."""
        found: dict[str, list[UnitBudget]] = {}
        for row in self._table.rows():
            try:
                budget = parse_budget(row)
            except RejectedInput:
                continue
            if budget.time_unit is TimeUnit.MONTHLY and not budget.cost_filters:
                found.setdefault(budget.key.account_id, []).append(
                    UnitBudget(
                        monthly_target=budget.amount,
                        currency=budget.currency,
                        origin="budgets table",
                    )
                )
        return found


class StoredRates:
    """`Rates` in the billing database."""

    def __init__(self, rates: Callable[[str, date, date], Sequence[Rate]]) -> None:
        self._rates = rates

    def rate(self, currency: str, day: date) -> DatedRate | None:
        """See the port."""
        found = self._rates(currency, day - _RATE_AGE, day)
        if not found:
            return None
        last = found[-1]
        return DatedRate(last.currency, last.rate_date, last.usd_per_unit, last.source)


class S3AnswerCache:
    """`AnswerCache` under a prefix of a bucket."""

    def __init__(self, s3: Any, bucket: str, prefix: str = "cache/cost-explorer/") -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix

    def get(self, key: str) -> Mapping[str, Any] | None:
        """See the port."""
        with aws_errors("read_cache"):
            try:
                body = self._s3.get_object(Bucket=self._bucket, Key=f"{self._prefix}{key}.json")
            except self._s3.exceptions.NoSuchKey:
                return None
            answer: Mapping[str, Any] = json.loads(body["Body"].read())
            return answer

    def put(self, key: str, answer: Mapping[str, Any]) -> None:
        """See the port."""
        with aws_errors("write_cache"):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=f"{self._prefix}{key}.json",
                Body=json.dumps(answer, separators=(",", ":")).encode(),
                ContentType="application/json",
            )


def download_export(s3: Any, uri: str, months: Sequence[Month], folder: Path) -> list[Path]:
    """Fetch an export's files for DuckDB, which reads from disk.

    Args:
        s3: The client.
        uri: `s3://bucket/prefix`.
        months: Files of other billing periods are left alone, where keys name periods
            (`BILLING_PERIOD=2026-10/`) as Data Exports' do.
        folder: Where they go.

    Raises:
        RejectedInput: `no_export`.
    """
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    wanted = {f"{_PARTITION}{month}" for month in months}
    paths = []
    with aws_errors("download_export"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", ()):
                key: str = found["Key"]
                if not key.endswith((".parquet", ".csv.gz", ".csv")):
                    continue
                partition = next(
                    (one for one in key.upper().split("/") if one.startswith(_PARTITION)), None
                )
                if partition and partition not in wanted:
                    continue
                path = folder / key
                path.parent.mkdir(parents=True, exist_ok=True)
                s3.download_file(bucket, key, str(path))
                paths.append(path)
    if not paths:
        raise RejectedInput(
            f"{uri} holds no export of {', '.join(map(str, months[-1:]))}",
            code="no_export",
            remedy="AWS delivers the first export within 24 hours of its creation",
        )
    return paths


_PARTITION: Final = "BILLING_PERIOD="


def _remedy(payer: str, role_name: str) -> str:
    return (
        f"Deploy modules/reconciliation_payer to {payer}: its role {role_name} must trust this"
        " caller with the same external id"
    )


class S3Files:
    """Files of `Reports` in a bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def names(self, prefix: str) -> Iterator[str]:
        """See the protocol."""
        with aws_errors("list_reports"):
            for page in self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            ):
                for found in page.get("Contents", ()):
                    yield found["Key"]

    def read(self, name: str) -> bytes:
        """See the protocol."""
        with aws_errors("read_report"):
            body: bytes = self._s3.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        return body

    def write(self, name: str, content: bytes) -> None:
        """See the protocol."""
        with aws_errors("write_report"):
            self._s3.put_object(**self._object(name, content))

    def create(self, name: str, content: bytes) -> bool:
        """See the protocol."""
        try:
            with aws_errors("write_report"):
                self._s3.put_object(**self._object(name, content), IfNoneMatch="*")
        except FinOpsError as error:
            if error.code in _TAKEN:
                return False
            raise
        return True

    def location(self, name: str) -> str:
        """See the protocol."""
        return f"s3://{self._bucket}/{name}"

    def link(self, location: str, seconds: int) -> str:
        """A URL of a report that opens without an account, for so long.

        It ends with the credentials that signed it, at the latest: a function's live for hours.
        """
        url: str = self._s3.generate_presigned_url(
            "get_object",
            Params={"Bucket": self._bucket, "Key": location.partition(f"{self._bucket}/")[2]},
            ExpiresIn=seconds,
        )
        return url

    def _object(self, name: str, content: bytes) -> dict[str, Any]:
        kind = name.rpartition(".")[2]
        return {
            "Bucket": self._bucket,
            "Key": name,
            "Body": content,
            "ContentType": MEDIA_TYPES.get(kind, "application/octet-stream"),
        }


#: What S3 says of an object that is there, or is just being written.
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
