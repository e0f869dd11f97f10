"""The doctor's checks of what the functions work with: tables, buckets, mail, limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from finops.deployment.examination import APPLY, Examination, Finding, Severity
from finops.deployment.policies import refused_actions, refuses_plain_http
from finops.shared.aws import aws_errors

#: ACM renews a certificate that it may renew 60 days before it ends:
#: https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html
_RENEWED_BY_NOW: Final = timedelta(days=30)
#: "You can create up to 20,000 budgets per AWS payer account", by an older edition of its guide:
#: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/budgets-managing-costs.html
_BUDGETS: Final = 20_000
#: A document is tried for about half an hour: at a call a second, 1,800 may wait for each other.
_ENOUGH_CALLS: Final = 1
_TEXTRACT: Final = ("AnalyzeExpense", "StartExpenseAnalysis")
#: The functions that name a table, and the variables that do.
_TABLES: Final = {
    "publish-budget": ("BUDGETS_TABLE", "STATUS_TABLE"),
    "receive-invoices": ("TABLE", "VENDORS_TABLE"),
}


def check_tables(of: Examination) -> Iterator[Finding]:
    """Whether each table that a function names is there."""
    for name, variables in of.configured(tuple(_TABLES)):
        for variable in _TABLES[name.removeprefix(f"{of.environment.prefix}-")]:
            table = variables.get(variable)
            if not table:
                yield Finding(
                    name,
                    f"it knows no {variable}, so it is older than this command",
                    "Run terraform apply with the packages of this release",
                )
                continue
            found = of.ask("dynamodb", "describe_table", TableName=table)
            state = found["Table"]["TableStatus"] if found else "gone"
            if state not in {"ACTIVE", "UPDATING"}:
                yield Finding(
                    table,
                    f"the table is {state}",
                    "Restore it from its backup if it was deleted, then run terraform apply",
                )


def check_buckets(of: Examination) -> Iterator[Finding]:
    """Whether buckets are there, refuse plain HTTP, tell of files, and lock the audit trail."""
    for owner, further in _BUCKETS.items():
        for _, variables in of.configured((owner,)):
            bucket = variables["BUCKET"]
            if of.ask("s3", "head_bucket", Bucket=bucket) is None:
                yield Finding(bucket, "the bucket is gone", APPLY)
                continue
            policy = of.ask("s3", "get_bucket_policy", Bucket=bucket) or {}
            if not refuses_plain_http(policy.get("Policy") or "{}"):
                yield Finding(
                    bucket,
                    "its policy does not refuse requests without TLS",
                    "Run terraform apply; find out who changed the policy",
                )
            if further:
                yield from further(of, bucket)


def _lock(of: Examination, bucket: str) -> Iterator[Finding]:
    """Of the trail: S3 locks each new object for a time, as the module asks."""
    found = of.ask("s3", "get_object_lock_configuration", Bucket=bucket) or {}
    rule = found.get("ObjectLockConfiguration", {}).get("Rule", {})
    if not rule.get("DefaultRetention"):
        yield Finding(
            bucket,
            "it locks no new object, so entries of the audit trail can be deleted",
            "Run terraform apply; find out who changed it, and run finops audit verify",
        )


def _notification(of: Examination, bucket: str) -> Iterator[Finding]:
    found = (of.ask("s3", "get_bucket_notification_configuration", Bucket=bucket) or {}).get(
        "QueueConfigurations", []
    )
    if not found:
        yield Finding(
            bucket,
            "it notifies no queue of dropped files, so nothing happens to them",
            "Run terraform apply, then drop again what was dropped meanwhile",
        )
    for queue in {one["QueueArn"].rpartition(":")[2] for one in found}:
        url = of.ask("sqs", "get_queue_url", QueueName=queue)
        attributes = url and of.ask(
            "sqs", "get_queue_attributes", QueueUrl=url["QueueUrl"], AttributeNames=["Policy"]
        )
        policy = (attributes or {}).get("Attributes", {}).get("Policy") or "{}"
        if refused_actions(policy, "s3.amazonaws.com", ["sqs:SendMessage"]):
            yield Finding(
                queue,
                f"the queue is gone, or does not take the events of {bucket}",
                "Run terraform apply, then drop again what was dropped meanwhile",
            )


#: Of the functions that name a bucket, what else is asked of theirs.
_BUCKETS: Final[Mapping[str, Callable[[Examination, str], Iterator[Finding]] | None]] = {
    "load-billing-file": _notification,
    "receive-invoices": _notification,
    "reconcile-month": None,
    "append-audit-entries": _lock,
}


def check_mail(of: Examination) -> Iterator[Finding]:
    """Whether SES knows the senders."""
    for name, variables in of.configured(("notify-invoice", "reconcile-month")):
        sender = variables.get("MAIL_SENDER")
        if not sender:
            continue
        asked = [sender, *_domains(sender)]
        found = of.ask("ses", "get_identity_verification_attributes", Identities=asked) or {}
        states = found.get("VerificationAttributes", {}).values()
        if not any(one["VerificationStatus"] == "Success" for one in states):
            yield Finding(
                sender,
                f"SES has not verified the sender, so {name} can send no mail",
                f"aws ses verify-email-identity --email-address {sender}, then open the"
                " link in the mail; or verify the domain",
            )


def _domains(sender: str) -> list[str]:
    """The domain of an address and those above it: each, verified, covers the address.

    Domains are the same in any case, addresses are not:
    https://docs.aws.amazon.com/ses/latest/dg/creating-identities.html
    """
    written = sender.rpartition("@")[2]
    labels = written.lower().split(".")
    above = [".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))]
    return list(dict.fromkeys([written, *above]))


def check_rates(of: Examination) -> Iterator[Finding]:
    """Whether bills of today find exchange rates."""
    from finops.deployment.billing import BillingDeployment

    if not any(of.existing(("load-billing-file",))):
        return
    billing = BillingDeployment(of.environment, of.aws)
    oldest = of.today - timedelta(days=billing.settings.rates.max_age_days)
    newest = billing.database.execute("SELECT MAX(rate_date) AS newest FROM fx_rates").rows
    found = newest[0]["newest"] if newest else None
    if found is None or date.fromisoformat(found) < oldest:
        state = f"the newest exchange rate is of {found}" if found else "there are no rates"
        yield Finding(
            "exchange rates",
            f"{state}: bills of today in other currencies than USD are quarantined",
            "`finops fx load FILE`, with the ECB's eurofxref-hist",
            Severity.WARNING if found else Severity.FAULT,
        )


def check_certificates(of: Examination) -> Iterator[Finding]:
    """Whether the console's certificate is issued, and will be in a month."""
    name = f"{of.environment.prefix}-console"
    balancers = (of.ask("elbv2", "describe_load_balancers", Names=[name]) or {}).get(
        "LoadBalancers", []
    )
    for balancer in balancers:
        listeners = of.ask(
            "elbv2", "describe_listeners", LoadBalancerArn=balancer["LoadBalancerArn"]
        )
        arns = {
            one["CertificateArn"]
            for listener in (listeners or {}).get("Listeners", [])
            for one in listener.get("Certificates") or []
        }
        for arn in sorted(arns):
            yield from _certificate(of, arn)


def _certificate(of: Examination, arn: str) -> Iterator[Finding]:
    found = (of.ask("acm", "describe_certificate", CertificateArn=arn) or {}).get("Certificate", {})
    state = found.get("Status", "gone")
    if state != "ISSUED":
        yield Finding(
            arn,
            f"the console's certificate is {state}, so browsers refuse the console",
            "Validate or import a certificate, name it in the console's address, and apply",
        )
    elif (ends := found["NotAfter"].date()) <= of.today + _RENEWED_BY_NOW:
        yield Finding(
            arn,
            f"the console's certificate ends on {ends}",
            "Import a new one; or, if ACM made it, see in its RenewalSummary which DNS record of"
            " its domain is missing",
            Severity.WARNING if ends > of.today else Severity.FAULT,
        )


def check_quotas(of: Examination) -> Iterator[Finding]:
    """Whether Textract and AWS Budgets take as much as the flows ask of them."""
    if any(of.existing(("extract-invoice",))):
        for operation in _TEXTRACT:
            calls = _quota(of, "textract", operation, "second")
            if calls is not None and calls < _ENOUGH_CALLS:
                yield Finding(
                    operation,
                    f"Textract takes {calls:g} calls a second, so documents wait and fail",
                    "Ask AWS for more (Service Quotas, Amazon Textract)",
                    Severity.WARNING,
                )
    if any(of.existing(("publish-budget",))):
        from finops.budgets.adapters.dynamodb import DynamoStatusTable

        with aws_errors("read_statuses", remedy="Allow dynamodb:Scan"):
            client = of.aws.client("dynamodb")
            made = len(list(DynamoStatusTable(client, of.environment.budget_status_table).all()))
        most = _quota(of, "budgets", "budgets") or _BUDGETS
        if made >= 0.9 * most:
            yield Finding(
                "AWS Budgets",
                f"{made} of {most:g} budgets that an organization may have exist",
                "Ask AWS for more (Service Quotas, AWS Budgets), or use defaults of units",
                Severity.WARNING,
            )


def _quota(of: Examination, service: str, *words: str) -> float | None:
    """The lowest quota whose name has all these words; None where AWS tells none.

    AWS lists what applies to the account only where that may differ from its default:
    https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
    """
    found = {
        one["QuotaName"]: float(one["Value"])
        for listing in ("list_aws_default_service_quotas", "list_service_quotas")
        for one in _quotas(of, listing, service)
        if all(word in one["QuotaName"] for word in words)
    }
    return min(found.values(), default=None)


def _quotas(of: Examination, listing: str, service: str) -> Iterator[Mapping[str, Any]]:
    page: dict[str, str] = {}
    while answer := of.ask("service-quotas", listing, ServiceCode=service, **page):
        yield from answer.get("Quotas", [])
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}
