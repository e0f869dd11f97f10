"""`finops billing withdraw` and `move`, over a ledger in memory."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from finops.billing.domain import FileEntry, SourceObject
from finops.billing.withdrawal import Withdrawer
from finops.shared.errors import RejectedInput, TransientFailure
from tests.billing.use_cases import Flow, bills
from tests.cli.conftest import BillingOn
from tests.cli.conftest import run_billing as run


class Deployment:
    """As `BillingDeployment`, over the use cases in memory."""

    def __init__(self) -> None:
        self.flow = Flow()
        self.store = self
        self.entry = self.flow.load(self.flow.objects.put("billing/one/march.csv", bills(("a", 1))))

    caller = "arn:aws:iam::111111111111:user/anna <AIDAANNA>"

    @property
    def withdrawer(self) -> Withdrawer:
        return Withdrawer(store=self.flow.store, audit=self.flow.audit, clock=self.flow.clock)

    def files(self, *, ending: str, limit: int) -> list[FileEntry]:
        found = [one for one in self.flow.store.files.values() if one.source.key.endswith(ending)]
        return found[::-1][:limit]

    def by_file_id(self, file_id: str) -> FileEntry | None:
        found = self.flow.store.files.values()
        return next((one for one in found if one.source.file_id == file_id), None)

    def newest(self, key: str) -> SourceObject | None:
        found = [version for name, version in self.flow.objects.content if name == key]
        if not found:
            return None
        return replace(self.entry.source, key=key, version_id=found[-1])

    def copy(self, entry: FileEntry, key: str) -> str:
        content = self.flow.objects.content[entry.source.key, entry.source.version_id]
        return self.flow.load(self.flow.objects.put(key, content)).source.file_id


@pytest.fixture
def deployment(billing_on: BillingOn) -> Deployment:
    made = Deployment()
    billing_on(made)
    return made


def test_a_file_is_taken_back_with_a_reason(deployment: Deployment) -> None:
    code, answer = run("withdraw", "march.csv", "--reason", "wrong month")
    assert code == 0
    (file,) = answer["files"]
    assert (file["status"], file["rows_removed"], file["rows_kept"]) == ("WITHDRAWN", 1, 0)
    assert file["error"].endswith(": wrong month")
    assert deployment.flow.store.rows == {}
    with pytest.raises(RejectedInput, match="nothing of it counts"):
        run("withdraw", "march.csv", "--reason", "again")
    assert run("withdraw", "march.csv")[0] == 2


def test_a_file_is_moved_to_another_dataset(deployment: Deployment) -> None:
    options = ("--dataset", "two", "--reason", "wrong dataset")
    code, answer = run("move", "march.csv", *options, "--wait")
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert set(deployment.flow.store.rows) == {("two", "a")}
    assert run("move", "billing/two/march.csv", *options)[0] == 1


MOVE = ("move", "billing/one/march.csv", "--dataset", "two", "--reason", "wrong dataset", "--wait")


def amounts(deployment: Deployment) -> dict[tuple[str, str], Decimal]:
    rows = deployment.flow.store.rows
    return {key: Decimal(row["bill_amount"]) for key, row in rows.items()}


@pytest.mark.parametrize("is_loaded", [True, False])
def test_a_move_never_replaces_another_file_of_the_name(
    deployment: Deployment, is_loaded: bool
) -> None:
    flow = deployment.flow
    source = flow.objects.put("billing/two/march.csv", bills(("b", 200), ("c", 7)))
    if is_loaded:
        flow.load(source)
    before = amounts(deployment)
    with pytest.raises(RejectedInput, match=r"billing/two/march\.csv is there already") as refused:
        run(*MOVE)
    assert refused.value.code == "key_is_taken"
    flow.load(source)
    assert before == {key: one for key, one in amounts(deployment).items() if key in before}
    assert sum(amounts(deployment).values()) == 208


def test_a_move_does_not_replace_a_loaded_file_whose_object_is_gone(deployment: Deployment) -> None:
    source = deployment.flow.objects.put("billing/two/march.csv", bills(("b", 200)))
    deployment.flow.load(source)
    del deployment.flow.objects.content[source.key, source.version_id]
    with pytest.raises(RejectedInput, match="is there already"):
        run(*MOVE)
    assert sum(amounts(deployment).values()) == 201


def test_a_move_that_was_cut_off_is_done_again(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(entry: FileEntry, key: str) -> str:
        raise TransientFailure(f"{entry.source.key} {key}", code="SlowDown", step="copy_file")

    with monkeypatch.context() as patched:
        patched.setattr(deployment, "copy", unreachable)
        with pytest.raises(TransientFailure):
            run(*MOVE)
    assert amounts(deployment) == {}
    code, answer = run(*MOVE)
    assert (code, answer["files"][0]["status"]) == (0, "LOADED")
    assert amounts(deployment) == {("two", "a"): 1}


def test_a_file_is_moved_back(deployment: Deployment) -> None:
    assert run(*MOVE)[0] == 0
    back = ("move", "billing/two/march.csv", "--dataset", "one", "--reason", "it was right")
    assert run(*back, "--wait")[0] == 0
    assert amounts(deployment) == {("one", "a"): 1}
