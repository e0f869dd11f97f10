"""What MiniStack 1.5.33 lacks or does differently from AWS, one small module for each gap.

Each module names the AWS page that it follows and has an ``install()``. An extension
replaces functions of the emulator by name, so a release that moved one fails at start,
not in the middle of a flow. ``FINOPS_SKIP_EXTENSION`` names one to leave out: its contract
test then fails, unless MiniStack no longer needs it.
"""

from __future__ import annotations

import importlib
import os

EXTENSIONS = (
    "health",
    "denials",
    "needed_statements",
    "web_server",
    "parsed_policies",
    "parsed_conditions",
    "service_models",
    "repeated_calls",
    "lambda_workers",
    "layer_archives",
    "lambda_async_invoke",
    "stream_positions",
    "partiql_streams",
    "stream_mappings",
    "lambda_logs",
    "service_permissions",
    "service_trust",
    "function_urls",
    "ssm_change_events",
    "ssm_iam",
    "sqs_iam",
    "sqs_senders",
    "sns_sources",
    "ses_iam",
    "eventbridge_targets",
    "cross_account_bus",
    "budgets_iam",
    "budgets_validation",
    "alarms",
    "sqs_metrics",
    "saved_queries",
    "rds_clusters",
    "secret_rotation",
    "state_machine_tracing",
    "distributed_map",
    "state_machine_permissions",
    "state_machine_callbacks",
    "state_machine_redrive",
    "state_machine_errors",
    "s3_version_ranges",
    "s3_missing_objects",
    "s3_multipart_tags",
    "s3_conditional_copies",
    "s3_kms",
    "s3_object_lock",
    "cognito_sessions",
    "account_states",
    "organization_keys",
    "organizations_iam",
    "textract",
    "costs",
    "athena",
    "service_quotas",
)


def install_all() -> None:
    """Install every extension; call once, before the emulator serves."""
    names = [name for name in EXTENSIONS if name != os.environ.get("FINOPS_SKIP_EXTENSION")]
    if os.environ.get("FINOPS_DATABASE_SOCKET"):
        names.append("rds_data_api")
    for name in names:
        importlib.import_module(f"{__name__}.{name}").install()
