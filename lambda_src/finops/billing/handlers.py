"""Lambda entry points of the billing flow, and the only place that composes it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache, partial
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from finops.audit.recorder import audit_recorder
from finops.billing.adapters.copies import copy_version, newest_version
from finops.billing.adapters.downloads import Download
from finops.billing.adapters.quarantine import S3Quarantine
from finops.billing.adapters.s3 import S3Objects
from finops.billing.adapters.secrets_manager import SecretsManagerLogins
from finops.billing.adapters.step_functions import StepFunctionsWorkflow
from finops.billing.database.rates import AuroraRates
from finops.billing.database.store import AuroraBillingStore
from finops.billing.database.users import DatabaseUsers, Purpose
from finops.billing.database.withdrawals import AuroraWithdrawals
from finops.billing.dataset_format import is_format
from finops.billing.domain import (
    RATES_PREFIX,
    FileEntry,
    FileStatus,
    SourceObject,
    Tally,
    version_order,
)
from finops.billing.ledger_rules import enter_left_alone
from finops.billing.moving import Mover, loaded_versions
from finops.billing.parts import FileFinisher, FilePlanner, PartLoader
from finops.billing.rates_fetcher import RatesFetcher
from finops.billing.rates_loader import RatesLoader
from finops.billing.runs import LARGEST_MANIFEST, Runs
from finops.billing.schema_migrations import migrate
from finops.billing.service import FileLoader
from finops.billing.settings import Settings
from finops.billing.withdrawal import Withdrawal, Withdrawer
from finops.shared.aws import client, with_stored_settings
from finops.shared.data_api import DataApi
from finops.shared.errors import FinOpsError, RejectedInput
from finops.shared.events import (
    created_objects,
    handle_messages,
    shorten_visibility,
    workflow_error_message,
)
from finops.shared.export_manifests import is_manifest
from finops.shared.left_alone import why_left_alone
from finops.shared.object_lock import LockedOriginals, locked_originals
from finops.shared.observability import MetricUnit, logger, metrics, status_metric

#: Seconds. The queue itself hides a message for as long as a load may take.
_FIRST_RETRY_DELAY: Final = 10


@logger.inject_lambda_context
@metrics.log_metrics
def load_billing_file(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Queue of S3 events → files of bills and of rates in the database.

    Returns the queue's partial batch response: the messages to deliver again.
    """

    def load(notification: Mapping[str, Any]) -> None:
        for source in source_objects(notification):
            logger.set_correlation_id(source.file_id)
            if why := why_left_alone(source.key):
                entry = enter_left_alone(_store(), source, why)
            elif is_manifest(source.key):
                _take_manifest(source)
                continue
            elif source.key.startswith(RATES_PREFIX):
                entry = _rates_loader().load(source)
                _tell_days_missing(_rates_loader().days_missing())
            else:
                entry = _file_loader(context).load(source)
            _log_file(entry)

    return handle_messages(
        event,
        load,
        failure="the file could not be loaded and will be retried",
        on_failure=lambda message: shorten_visibility(
            client("sqs"), os.environ["QUEUE_URL"], message, first_delay=_FIRST_RETRY_DELAY
        ),
    )


@logger.inject_lambda_context
@metrics.log_metrics
def plan_billing_chunks(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"load_id"} → the list of parts in S3: {"bucket", "plan_key", "chunks"}."""
    planner = FilePlanner(
        store=_store(),
        objects=_objects(),
        settings=_settings,
        part_bytes=int(os.environ["CHUNK_BYTES"]),
    )
    return planner.plan(int(event["load_id"]))


@logger.inject_lambda_context
@metrics.log_metrics
def load_billing_chunk(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, one item of the plan → its rows in the database: {"number", "rows"}."""
    loader = PartLoader(
        store=_store(),
        rates=_rates().rates,
        objects=_objects(),
        quarantine=_quarantine,
        settings=_settings(),
    )
    return loader.load(event)


@logger.inject_lambda_context
@metrics.log_metrics
def finish_billing_file(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"load_id"} → the file marked loaded: {"load_id", "status"}."""
    entry = _finisher().finish(int(event["load_id"]))
    _log_file(entry)
    return {"load_id": entry.load_id, "status": entry.status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def fail_billing_file(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Workflow, {"load_id", "step", "error", "cause"} → the file marked FAILED with its reason."""
    load_id = int(event["load_id"])
    error = FinOpsError(
        workflow_error_message(str(event["cause"])),
        code=str(event["error"]),
        step=str(event["step"]),
    )
    entry = _finisher().fail(load_id, error)
    _log_file(entry)
    return {"load_id": load_id, "status": entry.status.value}


@logger.inject_lambda_context
@metrics.log_metrics
def withdraw_billing_file(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Console → the rows of a file taken back, and with `dataset` the file moved there.

    Lambda does not say who invokes a function: `requested_by` is what the caller says.

    Args:
        event: {"load_id", "requested_by", "reason"}, and "dataset" where it is moved.

    Returns:
        {"rows_removed", "rows_kept", "also_in": [keys], "replaced": [{"load_id", "file"}],
        "versions": [load ids that counted]}, and where it was moved {"key", "copies": {name: id in
        the ledger}}; or {"refused": {"message", "code", "remedy"}}.

    Raises:
        RejectedInput: the event does not say which file, who asks, or why.
    """
    asked = _request(event)
    try:
        entry = _store().find(asked["load_id"])
        logger.set_correlation_id(entry.source.file_id)
        why = {"requested_by": asked["requested_by"], "reason": asked["reason"]}
        if dataset := asked["dataset"]:
            moved = _mover().move(entry, dataset, **why)
            return _withdrawal(moved.withdrawal) | {"key": moved.key, "copies": moved.copies}
        versions = [one.load_id for one in loaded_versions(_store().files, entry)]
        return _withdrawal(_withdrawer().withdraw(entry, **why)) | {"versions": versions}
    except RejectedInput as error:
        logger.warning(str(error), extra={"error_code": error.code})
        refused = {"message": error.message, "code": error.code, "remedy": error.remedy}
        return {"refused": refused}


@logger.inject_lambda_context
@metrics.log_metrics
def migrate_billing_database(event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Terraform, at each deploy of new code → the database's schema and users.

    The schedule asks for new passwords: {"rotate_passwords": true}. Returns {"applied": [names],
    "users": {purpose: name}}.
    """
    applied = migrate(_database())
    logins = SecretsManagerLogins(
        client("secretsmanager"),
        {one: os.environ[f"DATABASE_{one.name}_SECRET_ARN"] for one in Purpose},
    )
    users = DatabaseUsers(_database(), logins)
    return {
        "applied": applied,
        "users": users.bring_up_to_date(rotate=event.get("rotate_passwords") is True),
    }


@logger.inject_lambda_context
@metrics.log_metrics
def fetch_billing_rates(_event: Mapping[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Schedule → the ECB's file of rates among the files to load: {"key", "is_new", "newest"}."""
    fetcher = RatesFetcher(
        download=Download(
            os.environ["RATES_URL"], public=os.environ.get("RATES_URL_IS_PRIVATE") != "yes"
        ),
        objects=_objects(),
        clock=_now,
    )
    found = fetcher.fetch()
    metrics.add_metric("RatesFetched", MetricUnit.Count, 1)
    metrics.add_metric("RatesMissing", MetricUnit.Count, int(found.is_missing))
    facts = {"object_key": found.key, "rates": found.rates, "newest": str(found.newest)}
    if found.is_missing:
        logger.warning("rates of %s are missing", found.due, extra=facts)
    else:
        logger.info("rates fetched", extra=facts)
    return {"key": found.key, "is_new": found.is_new, "newest": str(found.newest)}


def source_objects(notification: Mapping[str, Any]) -> Iterator[SourceObject]:
    """The files that an S3 notification reports, without formats of datasets."""
    for created in created_objects(notification):
        if is_format(created.key):
            continue
        yield SourceObject(
            bucket=created.bucket,
            key=created.key,
            version_id=created.version_id,
            etag=created.etag,
            size=created.size,
            order=version_order(created.event_time, created.sequencer),
            principal=created.principal,
        )


def _file_loader(context: LambdaContext) -> FileLoader:
    return FileLoader(
        store=_store(),
        rates=_rates().rates,
        objects=_objects(),
        originals=_originals(),
        workflow=StepFunctionsWorkflow(client("stepfunctions"), os.environ["WORKFLOW_ARN"]),
        quarantine=_quarantine,
        settings=_settings(),
        remaining_seconds=lambda: context.get_remaining_time_in_millis() / 1000,
        audit=audit_recorder(),
        clock=_now,
    )


def _request(event: Mapping[str, Any]) -> dict[str, Any]:
    """What the console asks for."""
    texts = {name: event.get(name) or "" for name in ("requested_by", "reason", "dataset")}
    load_id = event.get("load_id")
    is_typed = isinstance(load_id, int) and all(isinstance(one, str) for one in texts.values())
    if not is_typed or not (texts["requested_by"].strip() and texts["reason"].strip()):
        raise RejectedInput(
            "the request needs load_id, requested_by and reason",
            code="invalid_request",
            step="withdraw_file",
        )
    return {"load_id": load_id, **texts}


def _withdrawal(done: Withdrawal | None) -> dict[str, Any]:
    if done is None:
        return {"rows_removed": 0, "rows_kept": 0, "also_in": [], "replaced": [], "versions": []}
    return {
        "rows_removed": done.rows_removed,
        "rows_kept": done.rows_kept,
        "also_in": list(done.also_in),
        "replaced": [{"load_id": one.load_id, "file": one.source.key} for one in done.replaced],
        "versions": [],
    }


def _withdrawer() -> Withdrawer:
    return Withdrawer(
        store=AuroraWithdrawals(_database()),
        audit=audit_recorder(),
        clock=_now,
        actor="withdraw-billing-file",
    )


def _mover() -> Mover:
    return Mover(
        withdrawer=_withdrawer(),
        files=_store().files,
        newest=partial(newest_version, _s3(), os.environ["BUCKET"]),
        copy=lambda entry, key, before: copy_version(_s3(), entry.source, key, before),
    )


def _take_manifest(source: SourceObject) -> None:
    """Keep which files belong to a run of an export; those that waited for it may count now."""
    try:
        content = _objects().open(source).read(LARGEST_MANIFEST + 1)
    except RejectedInput as error:
        logger.warning(str(error), extra={"error_code": error.code})
        return
    if len(content) > LARGEST_MANIFEST:
        logger.warning("%s is too large for a manifest, and left alone", source.uri)
        return
    for entry in Runs(_store(), audit_recorder(), _now).take_manifest(source.key, content):
        _log_file(entry)


def _rates_loader() -> RatesLoader:
    return RatesLoader(
        store=_store(),
        rates=_rates(),
        objects=_objects(),
        originals=_originals(),
        quarantine=_quarantine,
        audit=audit_recorder(),
        clock=_now,
    )


def _finisher() -> FileFinisher:
    return FileFinisher(store=_store(), audit=audit_recorder(), clock=_now)


def _now() -> datetime:
    return datetime.now(UTC)


@cache
def _store() -> AuroraBillingStore:
    return AuroraBillingStore(_database())


@cache
def _rates() -> AuroraRates:
    return AuroraRates(_database())


@cache
def _database() -> DataApi:
    return DataApi(
        client("rds-data"),
        cluster_arn=os.environ["DATABASE_ARN"],
        secret_arn=os.environ["DATABASE_SECRET_ARN"],
        database=os.environ["DATABASE_NAME"],
        measure=_measure,
    )


def _measure(name: str, value: int) -> None:
    metrics.add_metric(name, MetricUnit.Count, value)


@cache
def _objects() -> S3Objects:
    return S3Objects(_s3(), os.environ["BUCKET"])


@cache
def _originals() -> LockedOriginals:
    return locked_originals(os.environ, _s3())


@cache
def _s3() -> Any:
    return client("s3")


def _quarantine(entry: FileEntry, number: int | None = None) -> S3Quarantine:
    return S3Quarantine.open(_s3(), os.environ["BUCKET"], entry, number)


@cache
def _settings() -> Settings:
    return Settings.from_variables(with_stored_settings(os.environ, _s3()))


def _tell_days_missing(days: Sequence[date]) -> None:
    """Days that stay without rates of their own: their bills have those of the day before."""
    metrics.add_metric("RateDaysMissing", MetricUnit.Count, len(days))
    if days:
        logger.warning(
            "rates of %s are missing: load the ECB's eurofxref-hist-90d file",
            ", ".join(map(str, days)),
        )


def _log_file(entry: FileEntry) -> None:
    tally: Tally = entry.tally
    for name, count in {
        "BillingRowsLoaded": tally.inserted + tally.updated,
        "BillingRowsUnchanged": tally.unchanged,
        "BillingRowsQuarantined": tally.quarantined,
    }.items():
        metrics.add_metric(name, MetricUnit.Count, count)
    metrics.add_metric(status_metric("BillingFiles", entry.status), MetricUnit.Count, 1)
    facts = {
        "load_id": entry.load_id,
        "object_key": entry.source.key,
        "dataset": entry.dataset,
        "status": entry.status.value,
        "rows_read": tally.read,
        "rows_quarantined": tally.quarantined,
    }
    if entry.error and entry.status is not FileStatus.IGNORED:
        logger.warning(entry.error, extra={**facts, "error_code": entry.error_code})
    else:
        logger.info("billing file", extra=facts)
