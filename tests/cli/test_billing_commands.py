"""`finops billing withdraw` and `move`, over a ledger in memory."""

from __future__ import annotations

import pytest

from finops.billing.domain import FileEntry
from finops.billing.withdrawal import Withdrawer
from finops.shared.errors import RejectedInput
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
