"""Invoices from the dropped file to the announced number, on the local cloud with IAM enforced."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from finops.deployment.environment import environment
from finops.deployment.invoices import InvoiceDeployment
from finops.invoices.domain import InvoiceStatus
from finops.invoices.vendors.vendor import FactKind
from finops.shared.errors import ConfigurationError, FinOpsError, RejectedInput
from localcloud.endpoints import REGION
from sample_einvoices import Sale, cii, hybrid, ubl
from tests.flows.deployment import eventually
from tests.flows.invoices import (
    STEPS,
    InvoiceFlow,
    document,
    json_invoice,
    mailed_invoice,
    paper,
    unique,
)
from tests.flows.privileges import forget_sessions

pytestmark = [pytest.mark.flow]

PROCESSED, DUPLICATE = InvoiceStatus.PROCESSED, InvoiceStatus.DUPLICATE
Finops = Callable[..., tuple[int, Any]]


@pytest.fixture
def number() -> str:
    """An invoice number that no other test has."""
    return unique("N").upper()


class TestDocuments:
    def test_a_one_page_invoice_is_read_validated_numbered_and_announced(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        with invoices.listening("success") as heard:
            done = invoices.drop(f"raw/a {number} ü.pdf", document(paper(number)), owner="ann")
            assert done.status is PROCESSED, done.issues
            (message,) = heard(1, done.id)
        assert done.invoice
        assert {
            name: done.invoice.text(name) for name in ("vendor", "invoice_number", "total")
        } == {
            "vendor": f"Bakers {number} Ltd",
            "invoice_number": number,
            "total": "120.00",
        }
        assert (done.submitted_by, done.engine, done.pages) == ("ann", "textract", 1)
        assert done.cost_usd == Decimal("0.01")
        assert done.serial_number.startswith("INV-")
        assert invoices.objects.read_json(done.response_key)
        assert json.loads(message["Message"])["id"] == done.id
        assert message["MessageAttributes"]["status"]["Value"] == "PROCESSED"
        assert invoices.executed(done.id) == "SUCCEEDED"
        assert invoices.deployment.keeps(done.document)

    def test_an_invoice_of_many_pages_is_an_asynchronous_job(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        done = invoices.drop(f"raw/{number}.pdf", document(paper(number), pages=3))
        assert (done.status, done.pages) == (PROCESSED, 3), done.issues
        assert done.cost_usd == Decimal("0.03")

    def test_two_invoices_in_one_document_are_processed_separately(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        body = document(paper(f"{number}A"), paper(f"{number}B", total="125.00"))
        first = invoices.drop(f"raw/{number}.pdf", body)
        second = invoices.ended(f"{first.id}-2")
        assert first.status is PROCESSED, first.issues
        assert second.status is InvoiceStatus.NEEDS_REVIEW
        assert [one.code for one in second.issues if one.code != "low_confidence"] == [
            "total_is_not_the_sum",
            "lines_are_not_the_sum",
        ][: len([one for one in second.issues if one.code != "low_confidence"])]
        invoices.review_desk.decide(second.id, "bea", reject=True, reason="a test's")
        assert invoices.ended(second.id).status is InvoiceStatus.VALIDATION_FAILED

    @pytest.mark.parametrize(
        ("name", "body", "code"),
        [
            ("empty.pdf", b"", "empty_file"),
            ("text.pdf", b"Dear Sir or Madam", "unsupported_type"),
            ("broken.pdf", b"%PDF-1.7\nno more of it", "corrupt_file"),
            ("broken.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "corrupt_file"),
            ("word.pdf", b"PK\x03\x04" + bytes(60), "unsupported_type"),
        ],
    )
    def test_what_cannot_be_read_is_rejected_with_its_reason(
        self, invoices: InvoiceFlow, number: str, name: str, body: bytes, code: str
    ) -> None:
        with invoices.listening("failure") as heard:
            done = invoices.drop(f"raw/{number}-{name}", body)
            heard(1, done.id)
        assert done.status is InvoiceStatus.REJECTED
        (issue,) = done.issues
        assert issue.code == code
        assert name in issue.message or "." in issue.message
        assert invoices.executed(done.id) == "SUCCEEDED"

    def test_the_content_of_a_file_counts_and_not_its_name(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        done = invoices.drop(f"raw/{number}.jpg", document(paper(number)))
        assert done.status is PROCESSED, done.issues
        assert done.media_type == "application/pdf"


class TestJson:
    def test_e_invoices_need_no_textract_and_pages_must_agree(
        self, invoices: InvoiceFlow, number: str, finops: Finops
    ) -> None:
        sales = [
            Sale(number=f"{number}-{n}", seller=f"Vendor {number}-{n}", due="2099-12-31")
            for n in range(4)
        ]
        ours = replace(sales[3], iban="GB82WEST12345698765432")
        contents = {
            f"raw/{number}.xml": ubl(sales[0]),
            f"raw/{number}-cii.XML": cii(sales[1]),
            f"raw/{number}.pdf": hybrid(sales[2]),
            f"raw/{number}-changed.pdf": hybrid(sales[3], page=ours),
            f"raw/{number}-again.pdf": hybrid(sales[0]),
            f"raw/{number}-other.xml": b"<Order/>",
        }
        ids = [invoices.put(*one).document_id for one in list(contents.items())[:4]]
        one, two, paper_, changed = (invoices.ended(each) for each in ids)
        for done, engine in ((one, "xml"), (two, "xml"), (paper_, "pdf-xml")):
            assert (done.status, done.engine) == (PROCESSED, engine), done.issues
            assert done.invoice
            assert done.invoice.text("total") == "119.00"
            assert not done.cost_usd
        assert paper_.saved_usd == Decimal("0.01")
        assert changed.status is InvoiceStatus.NEEDS_REVIEW
        assert [issue.code for issue in changed.issues] == ["page_differs_from_xml"]
        again, other = (invoices.drop(*each) for each in list(contents.items())[4:])
        assert (again.status, again.duplicate_of) == (DUPLICATE, one.id)
        assert [issue.code for issue in other.issues] == ["not_an_einvoice"]
        code, answer = finops("invoices", "show", one.id)
        terms = {row["term"]: row["value"] for row in answer["invoices"][0]["einvoice"]}
        assert (code, terms["BT-1"], terms["BT-115"]) == (0, sales[0].number, "119.00")

    def test_a_json_invoice_needs_no_textract(self, invoices: InvoiceFlow, number: str) -> None:
        done = invoices.drop(f"json/{number}.json", json_invoice(number))
        assert done.status is PROCESSED, done.issues
        assert (done.engine, done.cost_usd) == ("json", Decimal(0))
        assert done.invoice
        assert done.invoice.amount("total") == Decimal("120.50")

    def test_the_customer_is_notified_by_email(self, invoices: InvoiceFlow, number: str) -> None:
        address = "payables@customers.example.com"
        # SES checks the permission on a recipient that this account has verified, too.
        invoices.deployment.client("sesv2").create_email_identity(EmailIdentity=address)
        body = mailed_invoice(number, customerEmail="victim@example.net")
        done = invoices.drop(f"json/{number}.json", body)
        assert done.status is PROCESSED, done.issues
        eventually(lambda: invoices.mailed(done) == [address], what=f"a mail to {address}")

    def test_an_invalid_invoice_fails_with_its_reason(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        done = invoices.drop(f"json/{number}.json", json_invoice(number, amount="-3"))
        assert done.status is InvoiceStatus.VALIDATION_FAILED
        assert any("-3" in one.message for one in done.issues)

    def test_a_rule_of_the_environment_sends_an_invoice_to_review(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        large = json_invoice(
            number,
            amount="50000.01",
            items=[{"description": "Bread", "quantity": 1, "rate": "50000.01"}],
        )
        waiting = invoices.drop(f"json/{number}.json", large)
        assert waiting.status is InvoiceStatus.NEEDS_REVIEW
        assert [one.code for one in waiting.issues] == ["large_amount"]
        invoices.review_desk.decide(waiting.id, "bea", approve=True)
        done = invoices.ended(waiting.id)
        assert done.status is PROCESSED
        assert [one.decision for one in done.reviews] == ["APPROVED"]


class TestOnce:
    def test_the_same_event_three_times_at_once(self, invoices: InvoiceFlow, number: str) -> None:
        source = invoices.put(f"json/{number}.json", json_invoice(number))
        with ThreadPoolExecutor(3) as pool:
            list(
                pool.map(
                    lambda _: invoices.deployment.invoke(STEPS["receive"], invoices.event(source)),
                    range(3),
                )
            )
        done = invoices.ended(source.document_id)
        assert done.status is PROCESSED
        again = invoices.deployment.invoke(STEPS["receive"], invoices.event(source))
        assert again == {"batchItemFailures": []}
        assert invoices.found(source.document_id) == done

    @pytest.mark.parametrize("kind", ["json", "pdf"])
    def test_twenty_at_once_are_one_and_nineteen_duplicates(
        self, invoices: InvoiceFlow, number: str, kind: str
    ) -> None:
        body = json_invoice(number) if kind == "json" else document(paper(number))
        folder = "json" if kind == "json" else "raw"
        with ThreadPoolExecutor(20) as pool:
            sources = list(
                pool.map(lambda n: invoices.put(f"{folder}/{number}-{n}.{kind}", body), range(20))
            )
        found = [invoices.ended(one.document_id) for one in sources]
        assert Counter(one.status for one in found) == {PROCESSED: 1, DUPLICATE: 19}
        (first,) = (one for one in found if one.status is PROCESSED)
        assert {one.duplicate_of for one in found} == {"", first.id}

    def test_numbers_of_a_year_have_no_gaps(self, invoices: InvoiceFlow, number: str) -> None:
        with invoices.numbering():
            with ThreadPoolExecutor(10) as pool:
                sources = list(
                    pool.map(
                        lambda n: invoices.put(
                            f"json/{number}-{n}.json", json_invoice(f"{number}-{n}")
                        ),
                        range(10),
                    )
                )
            for one in sources:
                assert invoices.ended(one.document_id).status is PROCESSED

    def test_a_near_duplicate_waits_for_review(self, invoices: InvoiceFlow, number: str) -> None:
        first = invoices.drop(f"json/{number}.json", json_invoice(number))
        alike = json_invoice(f"{number}-2", customerId=f"C-{number}")
        other = invoices.drop(f"json/{number}-2.json", alike)
        assert (other.status, other.duplicate_of) == (InvoiceStatus.NEEDS_REVIEW, first.id)
        invoices.review_desk.decide(other.id, "bea", reject=True, reason="sent twice")
        assert invoices.ended(other.id).status is InvoiceStatus.VALIDATION_FAILED


def _person(
    flow: InvoiceFlow, name: str, policy: str = "reviewer_policy"
) -> tuple[dict[str, Any], Callable[[str], Any], InvoiceDeployment]:
    """A person with one policy alone: the user, its clients and its command line."""
    iam = flow.deployment.client("iam")
    user = iam.create_user(UserName=f"person-{name}")["User"]
    iam.put_user_policy(
        UserName=user["UserName"],
        PolicyName="reviews",
        PolicyDocument=flow.outputs[policy],
    )
    keys = iam.create_access_key(UserName=user["UserName"])["AccessKey"]
    deployment = InvoiceDeployment(
        environment("local", {"AWS_ENDPOINT_URL": flow.deployment.url, "FINOPS_NAME_PREFIX": ""})
    )
    session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        region_name=REGION,
    )
    deployment._aws._session = session

    def client(service: str) -> Any:
        return deployment._aws.client(service)

    return user, client, deployment


class TestVendors:
    def test_an_approval_makes_an_account_known_and_another_one_waits(
        self, invoices: InvoiceFlow, finops: Finops, number: str
    ) -> None:
        ours, theirs = "DE89370400440532013000", "GB82WEST12345698765432"
        _, _, bea = _person(invoices, number)
        wrong = paper(number, total="125.00", iban=ours)
        waiting = invoices.drop(f"raw/{number}.pdf", document(wrong))
        bea.decide(bea.store.find(waiting.id), seen=0, approve=True)
        assert invoices.ended(waiting.id).status is PROCESSED
        _, answer = finops("vendors", "show", wrong["vendor"])
        (known,) = answer["vendors"]
        assert known["ibans"] == [ours]
        (fact,) = (one for one in known["facts"] if one["kind"] == "iban")
        assert (fact["approved_by"], fact["invoices"]) == ([bea.caller], [waiting.id])

        same = paper(f"{number}-2", vendor=wrong["vendor"], iban=ours, date="2026-03-30")
        assert invoices.drop(f"raw/{number}-2.pdf", document(same)).status is PROCESSED
        changed = paper(f"{number}-3", vendor=wrong["vendor"], iban=theirs, date="2026-03-29")
        found = invoices.drop(f"raw/{number}-3.pdf", document(changed))
        assert found.status is InvoiceStatus.NEEDS_REVIEW
        assert [one.code for one in found.issues] == ["bank_details_changed"]
        assert found.vendor_id == known["id"]
        eventually(
            lambda: (
                invoices.deployment.client("cloudwatch").describe_alarms(
                    AlarmNames=["finops-invoices-payment-at-risk"], AlarmTypes=["CompositeAlarm"]
                )["CompositeAlarms"][0]["StateValue"]
                == "ALARM"
            ),
            every=1,
            what="the alarm that a payment is at risk",
        )

        code, answer = finops("vendors", "revoke", known["id"], f"iban={ours}")
        assert (code, answer["vendors"][0]["ibans"]) == (0, [])
        code, answer = finops("vendors", "remove", known["id"], "--yes")
        assert code == 0
        assert invoices.vendors.find(known["id"]) is None

    def test_who_may_change_vendors_may_do_nothing_else(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        _, client, mallory = _person(invoices, number, "vendor_policy")
        desk = mallory.vendor_desk
        entered = {FactKind.VAT_ID: ("DE123456789",)}
        added = desk.add(f"Bakers {number} Ltd", entered, by=mallory.caller)
        assert added in [*mallory.vendors.all()]
        revoked = desk.revoke(added, FactKind.VAT_ID, "DE123456789", by=mallory.caller)
        desk.remove(revoked, by=mallory.caller)
        assert invoices.vendors.find(added.id) is None
        with pytest.raises(ClientError, match="AccessDenied"):
            client("dynamodb").get_item(
                TableName=invoices.outputs["table"], Key={"id": {"S": "any"}}
            )
        with pytest.raises(ClientError, match="AccessDenied"):
            client("lambda").invoke(FunctionName=STEPS["review"], Payload=b"{}")


class TestReview:
    def test_a_wrong_sum_is_corrected_on_the_command_line(
        self, invoices: InvoiceFlow, finops: Finops, number: str, tmp_path: Path
    ) -> None:
        file = tmp_path / f"{number}.pdf"
        file.write_bytes(document(paper(number, total="125.00")))
        with invoices.listening("review") as heard:
            code, answer = finops("invoices", "submit", str(file), "--wait")
            (found,) = answer["invoices"]
            heard(1, found["id"])
        assert (code, found["status"]) == (0, "NEEDS_REVIEW")
        assert "total_is_not_the_sum" in {one["code"] for one in found["issues"]}

        code, answer = finops("invoices", "next")  # other tests' invoices wait as well
        (oldest,) = answer["invoices"]
        assert (code, oldest["status"]) == (0, "NEEDS_REVIEW")
        assert oldest["received_at"] <= found["received_at"]
        assert oldest["id"] in oldest["commands"]["reject"]
        code, answer = finops("invoices", "show", found["id"][:10])
        assert (code, answer["invoices"][0]["id"]) == (0, found["id"])

        code, refused = finops("invoices", "review", found["id"], "--set", "total=much")
        assert (code, refused["code"]) == (1, "invalid_amount")
        code, answer = finops(
            "invoices", "review", found["id"], "--set", "total=120.00", "--approve", "--wait"
        )
        (done,) = answer["invoices"]
        assert (code, done["status"], done["total"]) == (0, "PROCESSED", "120.00")
        code, answer = finops("invoices", "show", done["serial_number"])
        (shown,) = answer["invoices"]
        (review,) = shown["reviews"]
        assert (review["before"], review["after"]) == ({"total": "125.00"}, {"total": "120.00"})
        assert next(one for one in shown["fields"] if one["field"] == "total")["source"] == "review"

    def test_a_correction_waits_for_somebody_else_where_duties_are_separated(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        """The attacker writes the decision with a client that checks nothing."""
        settings = {"SEPARATION_OF_DUTIES": "true"}
        forget_sessions(invoices.deployment, STEPS["validate"], **settings)
        try:
            body = document(paper(number, total="125.00"))
            waiting = invoices.drop(f"raw/{number}.pdf", body, owner="ann")
            lax = replace(invoices.review_desk, separation_of_duties=False)
            lax.decide(waiting.id, "ann", corrections={"total": "120.00"}, approve=True)
            before = waiting.task_token
            found = invoices.until(
                waiting.id, lambda one: one.task_token not in {"", before} and not one.decision
            )
            assert "corrected" in {one.code for one in found.issues}
            invoices.review_desk.decide(waiting.id, "bea", approve=True)
            assert invoices.ended(waiting.id).status is InvoiceStatus.PROCESSED
        finally:
            settings["SEPARATION_OF_DUTIES"] = "false"
            forget_sessions(invoices.deployment, STEPS["validate"], **settings)

    def test_a_reviewer_decides_through_the_function_that_records_who_it_is_and_in_no_other_way(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        """The attacker has a reviewer's keys, and a client of their own."""
        waiting = invoices.drop(f"raw/{number}.pdf", document(paper(number, total="125.00")))
        user, client, mallory = _person(invoices, number)
        refused: dict[str, Callable[[], Any]] = {
            "resume": lambda: client("stepfunctions").send_task_success(
                taskToken=waiting.task_token, output='{"outcome": "APPROVED"}'
            ),
            "write": lambda: client("dynamodb").put_item(
                TableName=invoices.outputs["table"], Item={"id": {"S": waiting.id}}
            ),
            "invoke": lambda: client("lambda").invoke(FunctionName=STEPS["review"], Payload=b"{}"),
            "start": lambda: client("stepfunctions").start_execution(
                stateMachineArn=invoices.outputs["workflow_arn"], input="{}"
            ),
        }
        for name, attempt in refused.items():
            with pytest.raises(ClientError, match="AccessDenied"):
                attempt()
            assert invoices.store.find(waiting.id) == waiting, name
        mallory.decide(mallory.store.find(waiting.id), seen=0, approve=True)
        done = invoices.ended(waiting.id)
        assert done.status is InvoiceStatus.PROCESSED
        (review,) = done.reviews
        assert (review.reviewer, review.proven) == (f"{user['Arn']} <{user['UserId']}>", True)
        # Whoever lacks the policy is told what to do.
        invoices.deployment.client("iam").delete_user_policy(
            UserName=user["UserName"], PolicyName="reviews"
        )
        with pytest.raises(ConfigurationError) as error:
            mallory.decide(waiting, seen=0, approve=True)
        assert error.value.code in {"AccessDenied", "AccessDeniedException"}
        assert "reviewer_policy_json" in error.value.remedy

    def test_exports_hold_what_the_list_shows(
        self, invoices: InvoiceFlow, finops: Finops, number: str, tmp_path: Path
    ) -> None:
        done = invoices.drop(f"json/{number}.json", json_invoice(number))
        path = tmp_path / "export.json"
        code, _ = finops("invoices", "export", done.id, "--format", "json", "--output", str(path))
        assert code == 0
        (exported,) = json.loads(path.read_text())["invoices"]
        code, answer = finops("invoices", "list", "--status", "PROCESSED", "--limit", "1000")
        (listed,) = (one for one in answer["invoices"] if one["id"] == done.id)
        assert exported.items() <= listed.items()
        for form in ("xlsx", "csv"):
            path = tmp_path / f"export.{form}"
            code, answer = finops(
                "invoices", "export", done.id, "--format", form, "--output", str(path)
            )
            assert (code, answer["invoices"]) == (0, 1)
            assert path.stat().st_size > 100

    def test_personal_data_are_erased_and_the_trail_stays_whole(
        self, invoices: InvoiceFlow, number: str, finops: Finops
    ) -> None:
        done = invoices.drop(f"raw/{number}.pdf", document(paper(number)))
        assert done.invoice
        vendor = done.invoice.text("vendor")

        def trail(*options: str) -> str:
            return json.dumps(finops("audit", "show", "--subject", done.id, *options)[1])

        eventually(lambda: "invoice.processed" in trail(), what="the trail")
        assert vendor not in trail()
        assert vendor in trail("--values")

        erase = ("invoices", "erase", done.id, "--reason", "a request", "--yes")
        code, refused = finops(*erase)
        assert (code, refused["code"]) == (1, "locked")
        code, answer = finops(*erase, "--bypass-governance")
        (left,) = answer["invoices"]
        assert (code, left["vendor"], left["serial_number"]) == (0, None, done.serial_number)
        assert left["total"] == done.invoice.text("total")

        versions = invoices.deployment.client("s3").list_object_versions(
            Bucket=invoices.outputs["bucket"]
        )
        assert not [
            one["Key"]
            for one in versions["Versions"]
            if number in one["Key"] or one["Key"].startswith(f"textract/{done.id}/")
        ]
        eventually(lambda: "invoice.erased" in trail(), what="the trail")
        assert vendor not in trail("--values")
        assert finops("audit", "verify")[0] == 0

    def test_two_reviewers_at_once_decide_once(self, invoices: InvoiceFlow, number: str) -> None:
        waiting = invoices.drop(f"raw/{number}.pdf", document(paper(number, total="125.00")))

        def decide(reviewer: str) -> str:
            try:
                invoices.review_desk.decide(waiting.id, reviewer, approve=True)
            except FinOpsError as error:
                return error.code
            return "decided"

        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(decide, ["ann", "bea", "cem", "dan"]))
        assert Counter(said)["decided"] == 1
        assert set(said) <= {"decided", "decided_already", "changed_meanwhile", "not_in_review"}
        assert len(invoices.ended(waiting.id).reviews) == 1

    def test_a_review_that_nobody_does_is_reminded_of_before_it_expires(
        self, invoices: InvoiceFlow, number: str
    ) -> None:
        with invoices.reviews_within(seconds=5), invoices.listening("review") as heard:
            waiting = invoices.drop(f"raw/{number}.pdf", document(paper(number, total="125.00")))
            events = [json.loads(one["Message"])["event"] for one in heard(2, waiting.id)]
        assert events == ["NEEDS_REVIEW", "REVIEW_ESCALATED"]
        done = invoices.until(waiting.id, lambda one: one.status is InvoiceStatus.VALIDATION_FAILED)
        assert done.issues[-1].code == "not_reviewed"
        assert invoices.executed(waiting.id) == "SUCCEEDED"


class TestFailures:
    def test_a_failed_step_is_recorded_and_redriven(
        self, invoices: InvoiceFlow, finops: Finops, number: str
    ) -> None:
        functions = invoices.deployment.client("lambda")
        name = STEPS["process"]
        before = functions.get_function_configuration(FunctionName=name)["Environment"]

        def configure(variables: dict[str, str]) -> None:
            functions.update_function_configuration(
                FunctionName=name, Environment={"Variables": variables}
            )
            functions.get_waiter("function_updated_v2").wait(
                FunctionName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
            )

        configure(before["Variables"] | {"TABLE": "nowhere"})
        try:
            with invoices.listening("failure") as heard:
                failed = invoices.drop(f"json/{number}.json", json_invoice(number))
                heard(1, failed.id)
        finally:
            configure(before["Variables"])
        assert failed.status is InvoiceStatus.PROCESSING_FAILED
        assert failed.failure
        assert failed.failure.step == "ProcessInvoice"
        assert "nowhere" in failed.failure.cause or "refused" in failed.failure.cause
        assert invoices.executed(failed.id) == "FAILED"
        code, answer = finops("invoices", "retry", failed.id, "--wait")
        assert (code, answer["invoices"][0]["status"]) == (0, "PROCESSED")
        assert invoices.executed(failed.id) == "SUCCEEDED"
        code, answer = finops("invoices", "retry", failed.id)
        assert (code, answer["code"]) == (1, "not_redrivable")

    def test_an_unknown_invoice_is_named(self, invoices: InvoiceFlow, finops: Finops) -> None:
        code, answer = finops("invoices", "show", "INV-1999-000001")
        assert (code, answer["code"]) == (1, "unknown_invoice")
        with pytest.raises(RejectedInput):
            invoices.store.find("claim#x")
