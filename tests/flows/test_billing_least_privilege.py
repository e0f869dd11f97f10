"""The billing flow needs each statement of its policies, as budgets do."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from finops.billing.domain import FileStatus, SourceObject
from tests.flows.audit import is_recorded
from tests.flows.billing import FETCHER, LOADER, BillingFlow, as_csv, bill, many_bills
from tests.flows.privileges import (
    HUB,
    Once,
    answers,
    deployed,
    failure_is_kept,
    failures_queue,
    flow_of,
    happens,
    is_needed,
    log_is_written,
    one_a_role,
    schedule,
    undelivered_is_kept,
    without,
)

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "state_machine_permissions"),
]

Probe = Callable[[BillingFlow, str], bool]
PLAN, CHUNK = "finops-plan-billing-chunks", "finops-load-billing-chunk"
FINISH, FAIL = "finops-finish-billing-file", "finops-fail-billing-file"
MIGRATE, WORKFLOW = "finops-migrate-billing-database", "finops-load-large-billing-file"
ROTATE = f"{MIGRATE}-schedule"
WITHDRAW = "finops-withdraw-billing-file"
FUNCTIONS = (LOADER, PLAN, CHUNK, FINISH, FAIL, MIGRATE, WITHDRAW)


def becomes_loaded(billing: BillingFlow, key: str, body: bytes) -> bool:
    """Whether the file is loaded in time; any other final status counts as a failure."""
    source = billing.put(key, body)

    def status() -> FileStatus | None:
        found = billing.store.by_file_id(source.file_id)
        ended = found and (found.status.is_final or found.status is FileStatus.FAILED)
        return found.status if found and ended else None

    return happens(status) and status() in (FileStatus.LOADED, FileStatus.LOADED_WITH_REJECTS)


def file_is_loaded(billing: BillingFlow, name: str) -> bool:
    return becomes_loaded(billing, f"billing/{name}/a.csv", as_csv([bill(1, company_name=name)]))


def bad_row_is_kept(billing: BillingFlow, name: str) -> bool:
    rows = [bill(1, company_name=name), bill(2, company_name=name, bill_amount="much")]
    return becomes_loaded(billing, f"billing/{name}/a.csv", as_csv(rows))


def large_file_is_loaded(billing: BillingFlow, name: str) -> bool:
    rows = many_bills(5000, of=name)
    return becomes_loaded(billing, f"billing/{name}/large.csv", as_csv(rows))


def missing_file_is_refused(billing: BillingFlow, name: str, size: int = 100) -> bool:
    """An event of a file that is gone ends in a refusal, not in retries."""
    source = billing.put(f"billing/{name}/a.csv", as_csv([bill(1, company_name=name)]))
    billing.ended(source)
    gone = replace(source, key=f"billing/{name}/gone.csv", size=size)
    billing.deliver(gone)
    return billing.ended(gone).error_code == "object_is_gone"


def missing_large_file_is_refused(billing: BillingFlow, name: str) -> bool:
    return missing_file_is_refused(billing, name, size=10_000_000)


def hanging_load_is_taken_up(billing: BillingFlow, name: str) -> bool:
    """A file whose workflow ended unnoticed is found, and started again."""
    rows = [bill(number, company_name=name) for number in range(5000)]
    source = billing.put(f"billing/{name}/large.csv", as_csv(rows))
    billing.ended(source)
    billing.query(
        "UPDATE billing_files SET status = 'LOADING' WHERE file_id = :file_id",
        file_id=source.file_id,
    )
    with billing.by_hand():
        return billing.deliver(source)


def loaded_file(billing: BillingFlow, name: str) -> int:
    return billing.drop(f"billing/{name}/b.csv", as_csv([bill(2, company_name=name)])).load_id


def finished_file_is_found(billing: BillingFlow, name: str) -> bool:
    return answers(billing.deployment, FINISH, {"load_id": loaded_file(billing, name)})


def failure_is_recorded(billing: BillingFlow, name: str) -> bool:
    payload = {"load_id": loaded_file(billing, name), "step": "s", "error": "e", "cause": "c"}
    return answers(billing.deployment, FAIL, payload)


def end_is_audited(billing: BillingFlow, source: SourceObject) -> bool:
    return happens(
        lambda: is_recorded(billing.deployment, "billing", source.uri, "billing_file.loaded")
    )


def load_is_audited(billing: BillingFlow, name: str) -> bool:
    source = billing.put(f"billing/{name}/b.csv", as_csv([bill(3, company_name=name)]))
    billing.ended(source)
    return end_is_audited(billing, source)


def large_load_is_audited(billing: BillingFlow, name: str) -> bool:
    rows = many_bills(5000, of=name)
    source = billing.put(f"billing/{name}/large.csv", as_csv(rows))
    billing.ended(source)
    return end_is_audited(billing, source)


def failure_is_audited(billing: BillingFlow, name: str) -> bool:
    entry = billing.drop(f"billing/{name}/b.csv", as_csv([bill(4, company_name=name)]))
    billing.query(
        "UPDATE billing_files SET status = 'LOADING' WHERE load_id = :load_id",
        load_id=entry.load_id,
    )
    payload = {"load_id": entry.load_id, "step": "s", "error": "e", "cause": "c"}
    assert answers(billing.deployment, FAIL, payload)
    uri = entry.source.uri
    return happens(lambda: is_recorded(billing.deployment, "billing", uri, "billing_file.failed"))


def takes_back(billing: BillingFlow, name: str, dataset: str = "") -> SourceObject | None:
    """A file whose one row was taken back, and that was moved to a dataset; None if it failed."""
    entry = billing.drop(f"billing/{name}/c.csv", as_csv([bill(5, company_name=name)]))
    request = {"requested_by": "ada", "reason": "a probe", "dataset": dataset}
    answer = billing.deployment.client("lambda").invoke(
        FunctionName=WITHDRAW, Payload=json.dumps({"load_id": entry.load_id, **request}).encode()
    )
    done = json.loads(answer["Payload"].read())
    is_done = "FunctionError" not in answer and done.get("rows_removed") == 1
    return entry.source if is_done and bool(dataset) == ("key" in done) else None


def file_is_withdrawn(billing: BillingFlow, name: str) -> bool:
    return takes_back(billing, name) is not None


def file_is_moved(billing: BillingFlow, name: str) -> bool:
    return takes_back(billing, name, f"{name}-moved") is not None


def withdrawal_is_audited(billing: BillingFlow, name: str) -> bool:
    source = takes_back(billing, name)
    return source is not None and happens(
        lambda: is_recorded(billing.deployment, "billing", source.uri, "billing_file.withdrawn")
    )


def database_is_migrated(billing: BillingFlow, _: str) -> bool:
    return answers(billing.deployment, MIGRATE, {})


def passwords_are_rotated(billing: BillingFlow, _: str) -> bool:
    before = billing.logins()
    with schedule(billing.deployment, MIGRATE, HUB):
        return happens(lambda: not before.items() & billing.logins().items())


def rates_are_dropped(billing: BillingFlow, name: str) -> bool:
    with billing.ecb() as ecb:
        # A file that was not dropped before.
        ecb.rates["USD"] = f"1.{int(hashlib.sha256(name.encode()).hexdigest()[:12], 16)}"
        is_dropped = answers(billing.deployment, FETCHER, {})
    if is_dropped:
        billing.loaded_rates(ecb.key)
    return is_dropped


def rates_are_fetched_in_time(billing: BillingFlow, _: str) -> bool:
    with billing.ecb() as ecb, schedule(billing.deployment, FETCHER, HUB):
        is_asked = happens(lambda: ecb.asked)
        if is_asked:
            billing.loaded_rates(ecb.key)
    return is_asked


def failed_fetch_is_kept(billing: BillingFlow, name: str) -> bool:
    # Refused at once, since it is not of https.
    with billing.fetching_from("http://127.0.0.1:1/"):
        return failure_is_kept(FETCHER, HUB)(billing.deployment, name)


def fetch_is_logged(billing: BillingFlow, name: str) -> bool:
    with billing.fetching_from("http://127.0.0.1:1/"):
        return log_is_written(FETCHER, HUB)(billing.deployment, name)


def workflow_can_be_changed(billing: BillingFlow, _: str) -> bool:
    """Who sets up logs is asked whether the role may deliver them."""
    states, arn = billing.deployment.client("stepfunctions"), billing.outputs["workflow_arn"]
    found = states.describe_state_machine(stateMachineArn=arn)
    try:
        states.update_state_machine(
            stateMachineArn=arn, loggingConfiguration=found["loggingConfiguration"]
        )
    except ClientError:
        return False
    return True


def failed_migration_is_kept(billing: BillingFlow, _: str) -> bool:
    """No event makes the migration fail, but a database that does not exist does."""
    d = billing.deployment
    functions = d.client("lambda")
    before = functions.get_function_configuration(FunctionName=MIGRATE)["Environment"]["Variables"]

    def configure(variables: dict[str, str]) -> None:
        functions.update_function_configuration(
            FunctionName=MIGRATE, Environment={"Variables": variables}
        )
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=MIGRATE, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )

    queue = failures_queue(d, MIGRATE, HUB)
    d.client("sqs").purge_queue(QueueUrl=queue)
    configure(before | {"DATABASE_NAME": "nowhere"})
    try:
        functions.invoke(FunctionName=MIGRATE, InvocationType="Event", Payload=json.dumps({}))
        return happens(lambda: d.messages(queue))
    finally:
        configure(before)


def of_function(probe: Callable[..., bool]) -> Probe:
    return lambda billing, name: probe(billing.deployment, name)


DATABASE: dict[str, Probe] = {
    LOADER: file_is_loaded,
    PLAN: large_file_is_loaded,
    CHUNK: large_file_is_loaded,
    FINISH: finished_file_is_found,
    FAIL: failure_is_recorded,
    MIGRATE: database_is_migrated,
    WITHDRAW: file_is_withdrawn,
}

#: (role, statement) → what cannot work without it.
NEEDED: dict[tuple[str, str], Probe] = {
    (LOADER, "ConsumeFiles"): file_is_loaded,
    (LOADER, "ReadFiles"): file_is_loaded,
    (LOADER, "LockOriginals"): file_is_loaded,
    (LOADER, "TellMissingObjects"): missing_file_is_refused,
    (PLAN, "TellMissingObjects"): missing_large_file_is_refused,
    (LOADER, "QuarantineRows"): bad_row_is_kept,
    (LOADER, "StartWorkflow"): large_file_is_loaded,
    (LOADER, "SeeWorkflow"): hanging_load_is_taken_up,
    (LOADER, "RecordAuditEntries"): load_is_audited,
    (FINISH, "RecordAuditEntries"): large_load_is_audited,
    (FAIL, "RecordAuditEntries"): failure_is_audited,
    (PLAN, "ReadFiles"): large_file_is_loaded,
    (PLAN, "WriteChunks"): large_file_is_loaded,
    (CHUNK, "ReadFiles"): large_file_is_loaded,
    (CHUNK, "QuarantineRows"): large_file_is_loaded,
    (WITHDRAW, "RecordAuditEntries"): withdrawal_is_audited,
    (WITHDRAW, "ReadFiles"): file_is_moved,
    (WITHDRAW, "CopyFiles"): file_is_moved,
    (WITHDRAW, "TellMissingObjects"): file_is_moved,
    (WORKFLOW, "InvokeFunctions"): large_file_is_loaded,
    (WORKFLOW, "ReadPlans"): large_file_is_loaded,
    (WORKFLOW, "StartMapRuns"): large_file_is_loaded,
    (WORKFLOW, "DeliverLogs"): workflow_can_be_changed,
    **{(one, "RunStatements"): probe for one, probe in DATABASE.items()},
    **{(one, "ReadDatabaseSecret"): probe for one, probe in DATABASE.items()},
    (MIGRATE, "KeepUsersSecrets"): database_is_migrated,
    (ROTATE, "InvokeFunction"): passwords_are_rotated,
    (ROTATE, "SendUndelivered"): of_function(undelivered_is_kept(MIGRATE, HUB)),
    **{
        (one, "SendFailures"): of_function(failure_is_kept(one, HUB))
        for one in FUNCTIONS
        if one != MIGRATE
    },
    (MIGRATE, "SendFailures"): failed_migration_is_kept,
    (FETCHER, "WriteRates"): rates_are_dropped,
    (FETCHER, "SendFailures"): failed_fetch_is_kept,
    (FETCHER, "WriteLogs"): fetch_is_logged,
    (f"{FETCHER}-schedule", "InvokeFunction"): rates_are_fetched_in_time,
    (f"{FETCHER}-schedule", "SendUndelivered"): of_function(undelivered_is_kept(FETCHER, HUB)),
    **{(one, "WriteLogs"): of_function(log_is_written(one, HUB)) for one in FUNCTIONS},
}
#: The emulator follows its map runs without asking; a plan test holds this one.
NOT_ENFORCED = {(WORKFLOW, "FollowMapRuns")}


@pytest.fixture
def name() -> str:
    """A dataset that no other probe has seen."""
    return f"privilege-{uuid.uuid4().hex[:8]}"


@contextmanager
def without_retries(billing: BillingFlow) -> Iterator[None]:
    """Stops what could not be loaded from being loaded during a later test."""
    yield
    billing.deployment.client("sqs").purge_queue(QueueUrl=billing.outputs["queue_url"])


def test_every_statement_that_is_deployed_is_needed_by_something(billing: BillingFlow) -> None:
    found = {
        (role, sid) for _, role, sid in deployed(billing.deployment) if flow_of(role) == "billing"
    }
    assert found == set(NEEDED) | NOT_ENFORCED


@pytest.mark.needs("needed_statements")
@pytest.mark.parametrize(
    ("role", "sid"), sorted(NEEDED), ids=[f"{role}-{sid}" for role, sid in sorted(NEEDED)]
)
def test_no_statement_grants_what_nothing_asks_for(
    billing: BillingFlow, once: Once, name: str, role: str, sid: str
) -> None:
    assert once.works(NEEDED[(role, sid)], billing, name)
    assert is_needed(billing.deployment, HUB, role, sid)


@pytest.mark.parametrize(("role", "sid"), one_a_role(NEEDED))
def test_without_one_statement_something_fails(
    billing: BillingFlow, name: str, role: str, sid: str
) -> None:
    works = NEEDED[(role, sid)]
    with without_retries(billing):
        with without(billing.deployment, HUB, role, sid):
            assert not works(billing, name)
        assert works(billing, f"{name}-again")
