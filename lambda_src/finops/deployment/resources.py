"""The doctor's checks of what the functions work with: tables, buckets, mail, limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

from finops.deployment.examination import Examination, Finding, Severity
from finops.deployment.policies import lets_service, refuses_plain_http
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
    for name in of.existing(tuple(_TABLES)):
        for variable in _TABLES[name.removeprefix(f"{of.environment.prefix}-")]:
            table = of.variables(name).get(variable)
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
    """Whether buckets refuse plain HTTP, and tell their queues of files."""
    for receiver in ("load-billing-file", "receive-invoices", "reconcile-month"):
        for name in of.existing((receiver,)):
            bucket = of.variables(name)["BUCKET"]
            policy = of.ask("s3", "get_bucket_policy", Bucket=bucket) or {}
            if not refuses_plain_http(policy.get("Policy") or "{}"):
                yield Finding(
                    bucket,
                    "its policy does not refuse requests without TLS",
                    "Run terraform apply; find out who changed the policy",
                )
            if receiver != "reconcile-month":
                yield from _notification(of, bucket)


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
        if not lets_service(policy, "s3.amazonaws.com"):
            yield Finding(
                queue,
                f"the queue is gone, or does not take the events of {bucket}",
                "Run terraform apply, then drop again what was dropped meanwhile",
            )


def check_mail(of: Examination) -> Iterator[Finding]:
    """Whether SES knows the senders."""
    for name in of.existing(("notify-invoice", "reconcile-month")):
        sender = of.variables(name).get("MAIL_SENDER")
        if not sender:
            continue
        asked = [sender, sender.rpartition("@")[2]]
        found = of.ask("ses", "get_identity_verification_attributes", Identities=asked) or {}
        states = found.get("VerificationAttributes", {}).values()
        if not any(one["VerificationStatus"] == "Success" for one in states):
            yield Finding(
                sender,
                f"SES has not verified the sender, so {name} can send no mail",
                f"aws ses verify-email-identity --email-address {sender}, then open the"
                " link in the mail; or verify the domain",
            )


def check_rates(of: Examination) -> Iterator[Finding]:
    """Whether bills of today find exchange rates."""
    from finops.deployment.billing import BillingDeployment

    if not any(of.existing(("load-billing-file",))):
        return
    billing = BillingDeployment(of.environment)
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

        with aws_errors("read_statuses"):
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
    """The lowest quota whose name has all these words; None where AWS tells none."""
    answer: Any = of.ask(
        "service-quotas", "list_service_quotas", ServiceCode=service, MaxResults=100
    )
    return min(
        (
            float(one["Value"])
            for one in (answer or {}).get("Quotas", [])
            if all(word in one["QuotaName"] for word in words)
        ),
        default=None,
    )
