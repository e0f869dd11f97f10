"""Every flow records its entries in the trail, and the trail can be verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from finops.audit.adapters.kms import KmsSigner
from finops.audit.adapters.sqlite import SeenIds
from finops.audit.domain import lines_of, read_entry
from finops.audit.recorder import SqsAuditRecorder
from finops.audit.trail_verifier import TrailVerifier
from finops.audit.verification import Kind
from finops.shared.audit import AuditEvent, canonical
from finops.shared.errors import ConfigurationError
from finops.shared.people import name_of
from localcloud.endpoints import MANAGEMENT_ACCOUNT
from localcloud.settings import REPOSITORY
from tests.flows.audit import APPENDER, HEAD_WRITER, AuditTrail
from tests.flows.billing import BillingFlow, as_csv, bill, many_bills
from tests.flows.deployment import REGION, SPOKE, Deployment, eventually, refused
from tests.flows.invoices import InvoiceFlow, document, paper, unique
from tests.flows.privileges import HUB, without

pytestmark = [
    pytest.mark.flow,
    pytest.mark.needs("service_permissions", "textract"),
]

Finops = Callable[..., tuple[int, Any]]


#: Whoever uses the command line on a local cloud, by the word of STS.
ROOT = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"


def event(stream: str, number: int) -> AuditEvent:
    return AuditEvent(
        stream=stream,
        action="test.done",
        actor="test",
        subject=f"{stream}/{number}",
        version="1",
        occurred_at=datetime.now(UTC),
    )


def administrator(d: Deployment, service: str) -> Any:
    """A client of a user to whom IAM allows everything."""
    iam, name = d.client("iam"), unique("admin")
    iam.create_user(UserName=name)
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=d.url,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


class TestFlows:
    def test_records_a_budget_edit_its_result_and_its_rejection(
        self, deployment: Deployment, trail: AuditTrail, budget_name: str
    ) -> None:
        deployment.edit(SPOKE, 100, budget_name, updated_by="ann")
        deployment.await_status(SPOKE, "APPLIED", budget_name)
        deployment.edit(SPOKE, "abc", budget_name, updated_by="bea")
        subject = f"{SPOKE}/{budget_name}"
        actions = ("budget.published", "budget.applied", "budget.rejected")
        # Functions record entries in parallel, so their order varies.
        found = trail.recorded("budgets", subject, *actions)
        told = {one["action"]: one for one in found}
        assert len(found) == len(told) == len(actions)
        published, applied, refusal = (told[action] for action in actions)
        assert [one["actor"] for one in (published, applied, refusal)] == [
            "publish-budget",
            "apply-budget",
            "publish-budget",
        ]
        # A stream does not say who edited a row.
        said = [one["details"].get("said_to_be") for one in (published, applied, refusal)]
        assert said == ["ann", None, "bea"]
        assert published["correlation_id"] == applied["correlation_id"]
        assert refusal["details"]["before"] == {"amount": "100"}
        # SQS says who sent it, the function which code it is.
        role = deployment.client("iam").get_role(RoleName="finops-publish-budget")["Role"]
        assert published["sender"] == f"{role['RoleId']}:finops-publish-budget"
        packages = json.loads((REPOSITORY / "build" / "local" / "packages.json").read_text())
        assert published["code_version"] == packages["code"]["sha256_base64"]

    def test_records_a_repair_with_who_asked_for_it(
        self, deployment: Deployment, trail: AuditTrail, budget_name: str, finops: Finops
    ) -> None:
        deployment.edit(SPOKE, 100, budget_name)
        deployment.await_status(SPOKE, "APPLIED", budget_name)
        deployment.client("budgets", SPOKE).delete_budget(AccountId=SPOKE, BudgetName=budget_name)
        assert finops("budgets", "drift", "--repair", "--account", SPOKE)[0] == 0
        found = trail.recorded("budgets", f"{SPOKE}/{budget_name}", "drift.repaired")
        (repaired,) = [one for one in found if one["action"] == "drift.repaired"]
        assert repaired["actor"] == "repair-budget-drift"
        assert repaired["details"]["said_to_be"].startswith(ROOT)
        assert repaired["details"]["drift"] == "budget_missing"

    def test_records_a_file_once_with_its_counts_however_often_its_event_comes(
        self, billing: BillingFlow, trail: AuditTrail
    ) -> None:
        body = as_csv([bill(1, item="audited"), bill(2, bill_amount="much")])
        source = billing.put(f"billing/{unique('audit')}/a.csv", body)
        entry = billing.ended(source)
        for _ in range(2):
            assert billing.deliver(source)
        trail.settle()
        (loaded,) = trail.recorded("billing", source.uri, "billing_file.loaded")
        assert loaded["input_sha256"] == hashlib.sha256(body).hexdigest()
        assert loaded["counts"]["rows_inserted"] == loaded["counts"]["rows_quarantined"] == 1
        assert loaded["details"]["load_id"] == entry.load_id

    def test_records_a_large_file_when_its_workflow_finishes(
        self, billing: BillingFlow, trail: AuditTrail
    ) -> None:
        body = as_csv(many_bills(5000, seed=7))
        source = billing.put(f"billing/{unique('audit')}/large.csv", body)
        entry = billing.ended(source)
        (loaded,) = trail.recorded("billing", source.uri, "billing_file.loaded")
        assert loaded["counts"]["rows_read"] == entry.tally.read == 5000

    def test_records_a_reconversion_with_who_asked_for_it(
        self, billing: BillingFlow, trail: AuditTrail, finops: Finops
    ) -> None:
        dataset = unique("audit")
        billing.drop(f"billing/{dataset}/a.csv", as_csv([bill(1, currency="EUR", item="audited")]))
        days = ("--from", "2026-03-01", "--to", "2026-03-31")
        command = ("billing", "reconvert", "--dataset", dataset, *days, "--reason", "late rates")
        assert finops(*command)[0] == 0
        (done,) = trail.recorded("billing", dataset, "bills.reconverted")
        assert (name_of(done["actor"]), done["details"]["reason"]) == (ROOT, "late rates")

    def test_records_an_invoice_from_its_file_to_its_number(
        self, invoices: InvoiceFlow, trail: AuditTrail
    ) -> None:
        number = unique("A").upper()
        body = document(paper(number))
        done = invoices.drop(f"raw/{number}.pdf", body, owner="ann")
        steps = ("received", "extracted", "validated", "processed", "notified")
        actions = [f"invoice.{step}" for step in steps]
        found = trail.recorded("invoices", done.id, *actions)
        assert sorted(one["action"] for one in found) == sorted(actions)
        (processed,) = [one for one in found if one["action"] == "invoice.processed"]
        assert processed["actor"] != "ann"
        assert processed["details"]["said_to_be"] == "ann"
        assert processed["input_sha256"] == hashlib.sha256(body).hexdigest()
        assert processed["details"]["serial_number"] == done.serial_number

    def test_a_review_on_the_command_line_is_recorded_by_the_flow(
        self, invoices: InvoiceFlow, trail: AuditTrail, finops: Finops
    ) -> None:
        number = unique("A").upper()
        waiting = invoices.drop(f"raw/{number}.pdf", document(paper(number, total="125.00")))
        command = ("invoices", "review", waiting.id, "--set", "total=120.00", "--wait")
        assert finops(*command)[0] == 0
        found = trail.recorded("invoices", waiting.id, "invoice.reviewed", "invoice.processed")
        (reviewed,) = [one for one in found if one["action"] == "invoice.reviewed"]
        assert name_of(reviewed["actor"]) == ROOT
        assert reviewed["details"]["actor_proven"] == "yes"
        assert reviewed["details"]["before"] == {"total": "125.00"}
        assert reviewed["details"]["after"] == {"total": "120.00"}


class TestCommands:
    def test_the_trail_is_verified_and_shown(self, trail: AuditTrail, finops: Finops) -> None:
        trail.send(event("tests", 1))
        trail.recorded("tests", "tests/1", "test.done")
        assert trail.deployment.invoke(HEAD_WRITER, {})["problems"] == 0
        code, answer = finops("audit", "verify")
        assert (code, answer["ok"], answer["first_bad"]) == (0, True, None)
        assert answer["entries"] >= 1
        code, answer = finops("audit", "show", "--stream", "tests", "--subject", "tests/1")
        assert [one["action"] for one in answer["entries"]] == ["test.done"]

    def test_status_shows_the_state_of_the_trail(self, trail: AuditTrail, finops: Finops) -> None:
        trail.deployment.invoke(HEAD_WRITER, {})
        rows = {one["name"]: one for one in finops("status")[1]["status"]}
        assert (rows["audit"]["state"], rows["audit"]["ok"]) == ("RUNNING", True)
        assert "entries sealed at" in rows["audit"]["detail"]
        assert rows["finops-audit-entries-failures.fifo"]["ok"]
        assert rows["finops-write-audit-head"]["state"] == "ACTIVE"


class TestTampering:
    def test_a_changed_entry_is_found_and_named(self, trail: AuditTrail, finops: Finops) -> None:
        for number in (1, 2, 3):
            assert trail.append(event("changed", number))
        trail.deployment.invoke(HEAD_WRITER, {})
        victim = list(trail.store.objects("trail/changed/"))[1]
        (line,) = lines_of(trail.store.read(victim))
        forged = line.replace(b'"actor":"test"', b'"actor":"nobody"')
        assert forged != line
        with trail.rewritten(victim, forged):
            code, answer = finops("audit", "verify")
            assert (code, answer["ok"]) == (1, False)
            assert answer["first_bad"]["stream"] == "changed"
            assert (answer["first_bad"]["sequence"], answer["first_bad"]["kind"]) == (2, "changed")
        assert finops("audit", "verify")[0] == 0

    def test_an_entry_rewritten_with_a_valid_hash_is_found(
        self, trail: AuditTrail, finops: Finops
    ) -> None:
        for number in (1, 2):
            assert trail.append(event("forged", number))
        victim = list(trail.store.objects("trail/forged/"))[1]
        (line,) = lines_of(trail.store.read(victim))
        entry = {**read_entry(line), "actor": "nobody"}
        del entry["hash"]
        entry["hash"] = hashlib.sha256(canonical(entry)).hexdigest()
        with trail.rewritten(victim, canonical(entry) + b"\n"):
            code, answer = finops("audit", "verify")
            assert code == 1
            assert answer["first_bad"]["sequence"] == 1
            assert answer["first_bad"]["kind"] == Kind.REPLACED
        assert finops("audit", "verify")[0] == 0

    def test_an_administrator_can_verify_heads_and_sign_none(self, trail: AuditTrail) -> None:
        trail.deployment.invoke(HEAD_WRITER, {})
        kms = administrator(trail.deployment, "kms")
        signer = KmsSigner(kms, trail.outputs["signing_key_arn"])
        with pytest.raises(ConfigurationError, match="sign_head"):
            signer.sign(b"head")
        assert TrailVerifier(trail.store, signer, SeenIds().repeats).verify().ok

    def test_the_queue_refuses_whoever_is_not_named(self, trail: AuditTrail) -> None:
        forged = event("budgets", 1).document(code_version="")
        unnamed = administrator(trail.deployment, "sqs")
        recorder = SqsAuditRecorder(unnamed, trail.outputs["queue_url"], code_version="")
        with pytest.raises(ConfigurationError, match=r"AccessDenied.*finops audit recover"):
            recorder.send([forged])

    def test_lock_and_bucket_policy_deny_everyone_but_the_appender(self, trail: AuditTrail) -> None:
        assert trail.append(event("locked", 1))
        found = trail.newest_object("locked")
        s3, bucket = trail.deployment.client("s3"), trail.outputs["bucket"]
        assert (
            refused(
                lambda: s3.delete_object(Bucket=bucket, Key=found.key, VersionId=found.version_id)
            )
            == "AccessDenied"
        )


class TestPromises:
    def test_entries_survive_while_the_bucket_cannot_be_written(
        self, trail: AuditTrail, deployment: Deployment, budget_name: str
    ) -> None:
        with without(deployment, HUB, APPENDER, "AppendEntries"):
            trail.send(*(event("patient", number) for number in range(1, 26)))
            deployment.edit(SPOKE, 100, budget_name)
            # No flow waits for the audit trail.
            deployment.await_status(SPOKE, "APPLIED", budget_name)

            def tried() -> bool:
                found = deployment.client("logs").filter_log_events(
                    logGroupName=f"/aws/lambda/{APPENDER}", filterPattern="could not be written"
                )
                return any("patient" in one["message"] for one in found["events"])

            eventually(tried, every=0.2, what="a try that fails")
            assert trail.entries("patient", "*") == []
            # The age of a queue leaves such messages out, and Lambda counts no error for them.
            eventually(
                lambda: trail.alarm_state("entries-failing") == "ALARM",
                every=1,
                what="the alarm on entries that fail",
            )
            eventually(
                lambda: trail.impact_state("not-recorded") == "ALARM",
                every=1,
                what="the alarm that actions are not recorded",
            )
        trail.settle()
        numbers = [int(one["subject"].split("/")[1]) for one in trail.entries("patient", "*")]
        assert numbers == list(range(1, 26))
        trail.recorded("budgets", f"{SPOKE}/{budget_name}", "budget.published", "budget.applied")
        assert trail.verified().ok

    def test_many_writers_at_once_append_each_entry_once_to_one_chain(
        self, trail: AuditTrail
    ) -> None:
        batches = [[event("crowded", 5 * n + m) for m in range(5)] for n in range(8)]
        # Each batch is delivered twice, and by the queue too.
        trail.send(*batches[0])
        waiting = batches * 2

        def deliver(batch: list[AuditEvent]) -> None:
            eventually(lambda: trail.append(*batch), what="a batch that is written")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(deliver, waiting))
        trail.settle()
        found = trail.entries("crowded", "*")
        assert sorted(int(one["subject"].split("/")[1]) for one in found) == list(range(40))
        assert [one["sequence"] for one in found] == list(range(1, 41))
        assert trail.verified().ok

    def test_entries_that_were_only_logged_are_recovered(
        self,
        trail: AuditTrail,
        deployment: Deployment,
        budget_name: str,
        finops: Finops,
        tmp_path: Path,
    ) -> None:
        publisher = "finops-publish-budget"
        subject = f"{SPOKE}/{budget_name}"
        with without(deployment, HUB, publisher, "RecordAuditEntries"):
            deployment.edit(SPOKE, 100, budget_name)
            deployment.await_status(SPOKE, "APPLIED", budget_name)

            def logged() -> list[str]:
                pages = (
                    deployment.client("logs")
                    .get_paginator("filter_log_events")
                    .paginate(logGroupName=f"/aws/lambda/{publisher}")
                )
                lines = [one["message"] for page in pages for one in page["events"]]
                return [one for one in lines if "audit_entry" in one and subject in one]

            lines = eventually(logged, every=0.2, what="the entry in the log")
        trail.recorded("budgets", subject, "budget.applied")
        assert trail.entries("budgets", subject, "budget.published") == []
        log = tmp_path / "log"
        log.write_text("\n".join(lines))
        for _ in range(2):
            assert finops("audit", "recover", str(log))[1]["entries"] == len(lines)
        found = trail.recorded("budgets", subject, "budget.published")
        trail.settle()
        assert len([one for one in found if one["action"] == "budget.published"]) == 1
