"""The roots turn on what the modules offer: a setting that is lost in a root protects nobody."""

from __future__ import annotations

import pytest

from localcloud.settings import REPOSITORY

STREAMS = {
    "billing": "module.billing.audit_sender_ids",
    "budgets": "module.budgets_management.audit_sender_ids",
    "console": "concat(tolist(var.audit_senders.console),"
    " flatten(module.console[*].audit_sender_ids))",
    "invoices": "module.invoices.audit_sender_ids",
    "reconciliation": "module.reconciliation.audit_sender_ids",
}
#: (roots, file, block) → what stands in it.
PROTECTIONS = [
    *(
        (("dev", "prod"), "main.tf", 'module "audit"', f"{stream} = {ids}")
        for stream, ids in STREAMS.items()
    ),
    (("dev", "prod"), "main.tf", 'module "audit"', "people = tolist(var.audit_senders.people)"),
    (
        ("dev", "prod"),
        "main.tf",
        "locals",
        "database_to_read = merge(local.database,"
        " { secret_arn = module.billing_database.reader_secret_arn })",
    ),
    (("dev", "prod"), "main.tf", 'module "reconciliation"', "database = local.database_to_read"),
    *(
        (("dev", "prod"), "main.tf", f'module "{module}"', "audit = local.audit")
        for module in ("budgets_management", "billing", "invoices", "reconciliation")
    ),
    (("dev", "prod"), "main.tf", 'module "invoices"', "review = var.invoice_review"),
    (
        ("dev", "prod"),
        "main.tf",
        'module "budgets_management"',
        "removal_policy = var.budget_removal_policy publisher = var.budget_publisher",
    ),
    (
        ("dev", "prod"),
        "outputs.tf",
        'output "budgets"',
        "approver_policy = module.budgets_management.approver_policy_json",
    ),
    (("prod",), "main.tf", 'module "audit"', "heads = { sign = true }"),
    (("prod",), "main.tf", 'module "audit"', 'lock_mode = "COMPLIANCE", lock_days = 2557'),
    (("prod",), "main.tf", "locals", 'originals_lock = { mode = "GOVERNANCE", years = 10 }'),
    *(
        (("prod",), "main.tf", f'module "{module}"', "originals_lock = local.originals_lock")
        for module in ("billing", "invoices")
    ),
    (("prod",), "main.tf", 'module "billing_database"', 'log_exports = ["audit",'),
    (
        ("prod",),
        "encryption.tf",
        'sid = "EventsSendUndelivered"',
        'test = "StringEqualsIfExists" variable = "aws:SourceAccount" values = [var.account_id]',
    ),
    (
        ("prod",),
        "encryption.tf",
        'sid = "WorkflowsDeliverLogs"',
        'test = "StringEqualsIfExists" variable = "aws:SourceAccount" values = [var.account_id]',
    ),
    (
        ("prod",),
        "encryption.tf",
        'sid = "BucketsTellQueues"',
        'test = "StringEquals" variable = "aws:SourceAccount" values = [var.account_id]',
    ),
    (
        ("prod",),
        "encryption.tf",
        'sid = "TopicsTellQueues"',
        'values = ["arn:aws:sns:${var.region}:${var.account_id}:${var.name_prefix}-*"]',
    ),
]


def code(root: str, file: str) -> str:
    """A file of a root without comments and alignment."""
    text = (REPOSITORY / "environments" / root / "management" / file).read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return " ".join(" ".join(lines).split())


def block(text: str, start: str) -> str:
    """The braces that begin with, or hold, this text."""
    at = text.index(start)
    opening = text.rindex("{", 0, at) if start.startswith("sid") else text.index("{", at)
    depth = 0
    for place, one in enumerate(text[opening:], opening):
        depth += {"{": 1, "}": -1}.get(one, 0)
        if not depth:
            return text[opening : place + 1]
    raise AssertionError(start)


@pytest.mark.parametrize(
    ("root", "file", "start", "wanted"),
    [
        pytest.param(root, file, start, wanted, id=f"{root}-{start}-{wanted[:40]}")
        for roots, file, start, wanted in PROTECTIONS
        for root in roots
    ],
)
def test_a_root_turns_a_protection_on(root: str, file: str, start: str, wanted: str) -> None:
    assert wanted in block(code(root, file), start)
