"""The page of vendors: who sees and who changes what is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.identity import Role
from console.views import vendors
from finops.invoices.vendors.vendor import Approval, Fact, FactKind
from finops.shared.errors import RejectedInput
from tests.console.conftest import Stage, user
from tests.invoices.vendors.test_recognition import ACME, NOW, OURS, vendor


@pytest.fixture
def known(stage: Stage) -> Stage:
    approval = Approval(invoice_id="one", approver="Bea <6f9d>", submitter="ann", at=NOW)
    learned = Fact(kind=FactKind.IBAN, value=OURS, needed=1, approvals=(approval,))
    stage.invoices.vendors.vendors = {
        one.id: replace(one.told(None, actor="ann", why="entered"), audit_salt="salt")
        for one in (ACME.with_fact(learned), vendor("*Other* [x](http://evil.example)"))
    }
    return stage


def test_everybody_sees_what_is_known_and_who_approved_it(known: Stage) -> None:
    app = known.page("vendors")
    assert not app.exception
    assert [one.value for one in app.title] == ["Vendors"]
    listed, facts, _ = (one.value for one in app.dataframe)
    assert list(listed["name"]) == ["Acme GmbH", "*Other* [x](http://evil.example)"]
    row = facts[facts["value"] == OURS].iloc[0]
    assert (row["state"], row["who"], row["invoices"]) == ("Learned", "Bea", "one")
    assert not app.button


def test_a_name_from_a_document_is_no_markdown(known: Stage) -> None:
    app = known.page("vendors")
    app.selectbox[0].select_index(1).run()
    (shown,) = (one.value for one in app.header)
    assert shown.startswith("\\*Other\\*")


def test_where_nothing_is_known_it_says_how_that_changes(stage: Stage) -> None:
    app = stage.page("vendors")
    assert any("approval of an invoice" in one.value for one in app.markdown)


def test_an_approver_enters_and_revokes_facts_and_the_trail_is_told(known: Stage) -> None:
    app = known.page("vendors", Role.APPROVER)
    kinds = next(one for one in app.selectbox if one.label == "Fact")
    kinds.select(FactKind.CURRENCY)
    next(one for one in app.text_input if one.label == "Value").input("chf")
    next(one for one in app.button if one.label == "Enter").click()
    app.run()
    assert not app.exception
    assert known.invoices.vendors.vendors["acmegmbh"].known(FactKind.CURRENCY) == ("CHF",)
    (event,) = known.audit.recorder.events
    assert (event.stream, event.actor, event.action) == (
        "console",
        "the approver",
        "vendor.changed",
    )
    assert event.details["after"].keys() >= {"currency CHF"}


def test_an_account_is_not_among_what_can_be_entered(known: Stage) -> None:
    app = known.page("vendors", Role.APPROVER)
    (kinds,) = (one for one in app.selectbox if one.label == "Fact")
    assert {*kinds.options}.isdisjoint({"IBAN", "Other account"})
    assert "Tax id" in kinds.options


def test_an_editor_changes_nothing(known: Stage) -> None:
    app = known.page("vendors", Role.EDITOR)
    assert not app.button
    with pytest.raises(RejectedInput) as error:
        vendors.edit(known.services, user(Role.EDITOR))
    assert error.value.code == "not_allowed"
