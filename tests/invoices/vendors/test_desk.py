"""Vendors by hand, at the desk and on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from finops.cli import vendors
from finops.cli.main import finops
from finops.invoices.vendors.desk import VendorDesk
from finops.invoices.vendors.editing import parse_fact
from finops.invoices.vendors.vendor import Approval, Fact, FactKind, canonical_fact
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from tests.audit.recorders import MemoryRecorder
from tests.invoices.fakes import FakeClock, FakeVendors
from tests.invoices.vendors.test_recognition import NOW, OURS


class Table:
    """As `InvoiceDeployment`, with the vendors in memory."""

    def __init__(self) -> None:
        self.vendors = FakeVendors()
        self.audit = MemoryRecorder()
        self.caller = "arn:aws:iam::111111111111:user/ann <AIDAANN>"
        self.vendor_desk = VendorDesk(
            store=self.vendors, audit=self.audit, clock=FakeClock(), new_salt=lambda: "salt"
        )


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()
    monkeypatch.setattr(vendors, "_deployed", lambda _environment: made)
    return made


def run(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(finops, ["vendors", *arguments, "--json"])
    assert done.exit_code == code, (done.output, done.exception)
    (found,) = json.loads(done.stdout)["vendors"]
    return dict(found)


def refused(*arguments: str) -> FinOpsError:
    done = CliRunner().invoke(finops, ["vendors", *arguments, "--json"])
    assert isinstance(done.exception, FinOpsError), done.output
    return done.exception


class TestCommands:
    def test_a_vendor_has_so_many_facts_of_a_kind_that_one_write_can_remove_it(
        self, table: Table
    ) -> None:
        """DynamoDB writes 100 items at once, and each domain has one."""
        domains = [f"--domain=d{number}.example" for number in range(95)]
        assert refused("add", "Acme", *domains).code == "too_many_facts"
        run("add", "Acme", *domains[:20])
        assert refused("set", "acme", domains[20]).code == "too_many_facts"
        run("revoke", "acme", "domain=d0.example")
        run("set", "acme", domains[20])
        assert len(table.vendors.vendors["acme"].keys) == 21

    def test_a_vendor_is_added_changed_shown_and_removed(self, table: Table) -> None:
        added = run("add", "Acme GmbH", "--vat-id", "de 123456789", "--domain", "ACME.example")
        assert {name: added[name] for name in ("id", "name", "vat_id", "ibans", "currency")} == {
            "id": "acmegmbh",
            "name": "Acme GmbH",
            "vat_id": "DE 123456789",
            "ibans": [],
            "currency": None,
        }
        assert run("set", "acmegmbh", "--currency", "eur")["currency"] == "EUR"
        assert run("set", "Acme GmbH", "--currency", "USD")["currency"] == "USD"
        assert run("alias", "acmegmbh", "ACME Billing")["aliases"] == ["ACME Billing"]
        shown = run("show", "Acme GmbH")
        assert [(one["kind"], one["value"], one["state"]) for one in shown["facts"]] == [
            ("vat_id", "DE 123456789", "by hand"),
            ("domain", "acme.example", "by hand"),
            ("currency", "EUR", "revoked"),
            ("currency", "USD", "by hand"),
            ("alias", "ACME Billing", "by hand"),
        ]
        assert [one["why"] for one in shown["history"]] == ["entered"] * 4
        assert run("list")["id"] == "acmegmbh"
        run("remove", "acmegmbh", "--yes")
        assert table.vendors.vendors == {}
        assert [one.action for one in table.audit.events] == [
            "vendor.added",
            *["vendor.changed"] * 3,
            "vendor.removed",
        ]
        assert {one.actor for one in table.audit.events} == {table.caller}
        assert len({one.entry_id for one in table.audit.events}) == 5

    def test_the_trail_is_told_no_name_and_no_number(self, table: Table) -> None:
        run("add", "Jane Doe", "--vat-id", "DE123456789", "--currency", "EUR")
        (event,) = table.audit.events
        assert event.details["after"].keys() >= {"currency EUR"}
        assert event.details["before"] == {}
        assert "Jane" not in str(event)
        assert "123456789" not in str(event)

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (("add", "Acme GmbH"), "known_vendor"),
            (("add", "  "), "invalid_alias"),
            (("set", "acmegmbh", "--currency", "EURO"), "invalid_currency"),
            (("set", "acmegmbh", "--country", "Germany"), "invalid_country"),
            (("set", "acmegmbh", "--date-order", "YMD"), "invalid_date_order"),
            (("set", "acmegmbh", "--vat-id", "?"), "invalid_vat_id"),
            (("set", "acmegmbh", "--domain", "gmail.com"), "invalid_domain"),
            (("set", "acmegmbh", "--domain", "no domain"), "invalid_domain"),
            (("set", "nobody", "--currency", "EUR"), "unknown_vendor"),
            (("revoke", "acmegmbh", "iban=DE89370400440532013000"), "unknown_fact"),
            (("revoke", "acmegmbh", "iban"), "invalid_fact"),
            (("revoke", "acmegmbh", "price=1"), "invalid_fact"),
        ],
    )
    def test_what_is_wrong_is_refused_with_a_remedy(
        self, table: Table, arguments: tuple[str, ...], code: str
    ) -> None:
        run("add", "Acme GmbH")
        before = dict(table.vendors.vendors)
        error = refused(*arguments)
        assert error.code == code
        assert error.remedy
        assert table.vendors.vendors == before

    def test_an_account_is_not_entered_by_hand(self) -> None:
        for kind in (FactKind.IBAN, FactKind.ACCOUNT):
            with pytest.raises(RejectedInput) as error:
                canonical_fact(kind, OURS)
            assert error.value.code == "account_by_hand"

    def test_an_account_is_revoked_and_that_is_taken_back(self, table: Table) -> None:
        run("add", "Acme GmbH")
        approval = Approval(invoice_id="1", approver="bea", submitter="ann", at=NOW)
        fact = Fact(kind=FactKind.IBAN, value=OURS, needed=1, approvals=(approval,))
        before = table.vendors.vendors["acmegmbh"]
        table.vendors.vendors["acmegmbh"] = before.with_fact(fact)
        spaced = "iban=DE89 3704 0044 0532 0130 00"
        assert run("revoke", "acmegmbh", spaced)["ibans"] == []
        assert refused("revoke", "acmegmbh", spaced).code == "already"
        assert run("revoke", "acmegmbh", spaced, "--undo")["ibans"] == [OURS]
        assert refused("revoke", "acmegmbh", spaced, "--undo").code == "already"

    def test_a_former_name_stays_an_alias(self, table: Table) -> None:
        run("add", "Acme GmbH")
        assert run("set", "acmegmbh", "--name", "Acme SE")["aliases"] == ["Acme GmbH"]
        assert table.vendors.vendors["acmegmbh"].is_called("Acme GmbH")

    def test_an_id_may_be_given_as_a_narrow_table_shows_it(self, table: Table) -> None:
        run("add", "Acme GmbH")
        run("add", "Acme Trading GmbH")
        assert run("show", "acmegm…")["id"] == "acmegmbh"
        assert run("set", "acmetr…", "--currency", "EUR")["currency"] == "EUR"
        several = refused("set", "acme…", "--currency", "EUR")
        assert (several.code, "acmegmbh" in str(several)) == ("ambiguous_id", True)
        for name in ("acmegm", "acmex…", "…"):
            assert refused("remove", name, "--yes").code == "unknown_vendor"
        assert len(table.vendors.vendors) == 2

    def test_nothing_to_set_is_wrong_usage(self, table: Table) -> None:
        run("add", "Acme GmbH")
        assert CliRunner().invoke(finops, ["vendors", "set", "acmegmbh"]).exit_code == 2

    def test_who_changes_what_another_has_changed_is_told(self, table: Table) -> None:
        run("add", "Acme GmbH")
        stale = table.vendors.vendors["acmegmbh"]
        run("set", "acmegmbh", "--currency", "EUR")
        with pytest.raises(TransientFailure) as error:
            table.vendor_desk.change(stale, {FactKind.CURRENCY: ("USD",)}, by="bob")
        assert error.value.code == "changed_meanwhile"
        assert len(table.audit.events) == 2


def test_a_fact_is_written_with_its_kind() -> None:
    assert parse_fact("vat-id = DE1 ") == (FactKind.VAT_ID, "DE1")


def test_a_deployment_without_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from finops.deployment.invoices import InvoiceDeployment

    monkeypatch.setattr(InvoiceDeployment, "variables", {"TABLE": "invoices"})
    found = InvoiceDeployment.__new__(InvoiceDeployment)
    with pytest.raises(FinOpsError) as error:
        _ = found.vendors
    assert error.value.code == "not_deployed"
