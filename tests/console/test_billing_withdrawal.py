"""Withdrawing a billing file, and moving it to another dataset, on its page."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from console.identity import Role, User
from console.views.billing import withdrawal
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.withdrawal import Held
from finops.shared.errors import RejectedInput
from tests.console.conftest import Stage, user
from tests.console.test_billing import FAILED, LOADED, Billing, draw

HELD = Held(
    rows=1200,
    kept=3,
    amounts={"EUR": Decimal("1200.50"), "JPY": Decimal(90)},
    amount_usd=Decimal("1500.625"),
)
APPROVER = user(Role.APPROVER)


class Withdrawable(Billing):
    """As `BillingDeployment`, whose function takes files back."""

    def __init__(self, *entries: FileEntry) -> None:
        super().__init__(*entries)
        self.asked: list[tuple[int, str, str, str]] = []
        self.refusal: RejectedInput | None = None
        self.found = HELD
        self.left: dict[str, Any] = {"also_in": [], "replaced": [], "versions": []}

    def held(self, entry: FileEntry) -> Held:
        return self.found

    def take_back(
        self, entry: FileEntry, *, requested_by: str, reason: str, dataset: str
    ) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        self.asked.append((entry.load_id, requested_by, reason, dataset))
        done = {"rows_removed": 1200, "rows_kept": 3, **self.left}
        return done | (
            {
                "key": f"billing/{dataset}/march.csv",
                "copies": {f"billing/{dataset}/march.csv": "f" * 32},
            }
            if dataset
            else {}
        )


@pytest.fixture
def flow(stage: Stage) -> Withdrawable:
    made = Withdrawable(LOADED, FAILED)
    stage.settings["billing"] = made
    return made


def asking(stage: Stage, *, moves: bool, who: User = APPROVER) -> AppTest:
    """What the dialog holds, as a page."""

    def script(*arguments: object, moves: bool) -> None:
        from console.views.billing import withdrawal

        withdrawal.ask(*arguments, moves=moves)  # type: ignore[arg-type]

    stage.who = who
    return AppTest.from_function(
        script,
        args=(stage.services, who, LOADED),
        kwargs={"moves": moves},
        default_timeout=120,
    ).run()


@pytest.mark.parametrize(
    ("role", "disabled"), [(Role.VIEWER, True), (Role.EDITOR, True), (Role.APPROVER, False)]
)
def test_only_an_approver_may_withdraw_and_move(
    stage: Stage, flow: Withdrawable, role: Role, disabled: bool
) -> None:
    stage.who = user(role)
    app = draw(stage, role, LOADED.load_id)
    found = {one.label: one for one in app.button}
    for label in ("Withdraw", "Move to another dataset"):
        assert found[label].disabled is disabled, label
        said = found[label].proto.help
        assert said == ("Only an approver can withdraw or move a file." if disabled else "")


def test_what_does_not_count_is_not_withdrawn_and_a_cut_off_move_is_done_again(
    stage: Stage, flow: Withdrawable
) -> None:
    stage.who = APPROVER
    assert "Withdraw" not in [
        one.label for one in draw(stage, Role.APPROVER, FAILED.load_id).button
    ]
    flow.store.entries[LOADED.load_id] = replace(LOADED, status=FileStatus.WITHDRAWN)
    flow.found = replace(HELD, rows=0)
    app = draw(stage, Role.APPROVER, LOADED.load_id)
    assert [one.label for one in app.button][:1] == ["Move to another dataset"]


def test_a_withdrawal_that_was_cut_off_is_done_again(stage: Stage, flow: Withdrawable) -> None:
    stage.who = APPROVER
    flow.store.entries[LOADED.load_id] = replace(LOADED, status=FileStatus.WITHDRAWN)
    app = draw(stage, Role.APPROVER, LOADED.load_id)
    assert [one.label for one in app.button][:1] == ["Withdraw"]


def test_a_withdrawal_shows_rows_and_amounts_first_and_needs_a_reason(
    stage: Stage, flow: Withdrawable
) -> None:
    app = asking(stage, moves=False)
    shown = " ".join(one.value for one in app.markdown).replace("\\", "")
    assert "1,200 rows of it will not count any more: 1,200.50 EUR, 90 JPY" in shown
    assert "which is 1,500.63 USD" in shown or "which is 1,500.625 USD" in shown
    assert "3 rows will stay" in shown
    assert app.button[0].disabled
    app.text_input[0].set_value("  ").run()
    assert app.button[0].disabled
    app.text_input[0].set_value("dropped twice").run()
    app.button[0].click().run()
    assert not app.exception
    assert flow.asked == [(LOADED.load_id, APPROVER.identity, "dropped twice", "")]
    assert stage.recorded() == [(APPROVER.identity, "billing_file.withdrawn", LOADED.source.uri)]
    (event,) = stage.audit.recorder.events
    assert event.details["reason"] == "dropped twice"
    assert event.details["rows_removed"] == 1200


def test_a_move_needs_a_dataset_too_and_its_copy_is_followed(
    stage: Stage, flow: Withdrawable
) -> None:
    app = asking(stage, moves=True)
    dataset, reason = app.text_input
    reason.set_value("wrong dataset")
    app.run()
    assert app.button[0].disabled
    dataset.set_value(" dairy ").run()
    app.button[0].click().run()
    assert not app.exception
    assert flow.asked == [(LOADED.load_id, APPROVER.identity, "wrong dataset", "dairy")]
    (event,) = stage.audit.recorder.events
    assert (event.action, event.details["moved_to"]) == (
        "billing_file.moved",
        "billing/dairy/march.csv",
    )
    assert app.session_state["tracked_billing_files"] == {"f" * 32: "billing/dairy/march.csv"}


def test_what_the_flow_refuses_is_told_and_nothing_is_recorded(
    stage: Stage, flow: Withdrawable
) -> None:
    flow.refusal = RejectedInput(
        "billing/x is there already", code="key_is_taken", remedy="Nothing was changed"
    )
    app = asking(stage, moves=False)
    app.text_input[0].set_value("dropped twice").run()
    app.button[0].click().run()
    assert "is there already" in app.warning[0].value
    assert not stage.recorded()


def test_an_open_dialog_does_nothing_once_its_session_has_ended(
    stage: Stage, flow: Withdrawable
) -> None:
    app = asking(stage, moves=False)
    app.text_input[0].set_value("dropped twice").run()
    stage.who = user(Role.VIEWER)
    app.button[0].click().run()
    assert "Your session has ended" in app.warning[0].value
    assert not flow.asked


def test_no_other_role_withdraws_by_whatever_way(stage: Stage, flow: Withdrawable) -> None:
    for role in (Role.VIEWER, Role.EDITOR):
        with pytest.raises(RejectedInput, match="your role cannot"):
            withdrawal.take_back(stage.services, user(role), LOADED, reason="why")
    assert not flow.asked


def test_what_a_withdrawal_leaves_to_do_is_told_until_the_session_ends(
    stage: Stage, flow: Withdrawable, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.left = {
        "also_in": ["billing/acme/[april](http://evil).csv"],
        "replaced": [{"load_id": 7, "file": "billing/acme/february.csv"}],
        "versions": [1, 2],
    }
    state: dict[str, Any] = {}
    monkeypatch.setattr(st, "session_state", state)
    withdrawal.take_back(stage.services, APPROVER, LOADED, reason="why")
    first, versions, second = state["told_of_withdrawals"][LOADED.source.key]
    assert versions.endswith("again: `finops billing retry 1`, `finops billing retry 2`")
    assert "`finops billing retry 7`" in first
    assert "\\[april\\]" in second


def test_the_function_is_asked_in_the_name_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    from finops.deployment import billing as deployment
    from finops.deployment.environment import Environment

    asked: list[tuple[str, dict[str, Any]]] = []
    answers: list[dict[str, Any]] = [
        {"rows_removed": 1},
        {"refused": {"message": "no", "code": "nothing_to_withdraw", "remedy": "look"}},
    ]

    def invoke(_client: object, function: str, payload: dict[str, Any]) -> dict[str, Any]:
        asked.append((function, payload))
        return answers.pop(0)

    monkeypatch.setattr(deployment, "invoke", invoke)
    monkeypatch.setattr(deployment, "Aws", lambda _: SimpleNamespace(client=lambda _name: None))
    made = deployment.BillingDeployment(Environment(name="test", prefix="acme"))
    assert made.take_back(LOADED, requested_by="anna", reason="why") == {"rows_removed": 1}
    assert asked == [
        (
            "acme-withdraw-billing-file",
            {"load_id": 1, "requested_by": "anna", "reason": "why", "dataset": ""},
        )
    ]
    with pytest.raises(RejectedInput) as refused:
        made.take_back(LOADED, requested_by="anna", reason="why", dataset="x")
    assert (refused.value.code, refused.value.remedy) == ("nothing_to_withdraw", "look")
