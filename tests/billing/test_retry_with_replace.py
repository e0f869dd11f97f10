"""`finops billing retry FILE --replace` does what it says, or says why it cannot."""

from __future__ import annotations

from decimal import Decimal

import pytest

from finops.billing.dataset_format import format_key
from finops.billing.domain import LOADED, FileStatus
from finops.shared.errors import RejectedInput
from tests.billing.use_cases import RUNS, Flow, bills, month

ACCOUNTS = ("111111111111", "222222222222")
RUN = "billing/e/2026-04-0{0}T00:00:00Z-{1}/e-00001.csv"


def both(first: str, second: str) -> bytes:
    """A month of two accounts, by cost."""
    one, other = month(first, account=ACCOUNTS[0]), month(second, account=ACCOUNTS[1])
    return one + other.partition(b"\n")[2]


def counted(flow: Flow) -> list[Decimal]:
    """What counts, by account."""
    sums = dict.fromkeys(ACCOUNTS, Decimal(0))
    for (load_id, _), row in flow.store.charges.items():
        if flow.store.files[load_id].status in LOADED:
            sums[row["billing_account_id"]] += Decimal(row["billed_cost"])
    return list(sums.values())


def refused(flow: Flow, load: int, newer: int) -> None:
    before = counted(flow)
    with pytest.raises(RejectedInput) as caught:
        flow.retry(flow.store.files[load], restates=True)
    assert caught.value.code == "restated_since"
    assert f"`finops billing withdraw {newer} --reason …`" in caught.value.remedy
    assert f"`finops billing retry {load}`" in caught.value.remedy
    assert counted(flow) == before


def follow(flow: Flow, load: int, newer: int) -> None:
    """Do what the refusal says."""
    flow.withdraw(flow.store.files[newer])
    assert flow.retry(flow.store.files[load]).status is FileStatus.LOADED


@pytest.mark.parametrize("body", [both("1", "2"), month("1", account=ACCOUNTS[0])])
def test_a_month_that_was_restated_since_goes_first(body: bytes) -> None:
    flow = Flow()
    flow.load(flow.objects.put("billing/x/a.csv", body))
    new = month("9", account=ACCOUNTS[0])
    flow.load(flow.objects.put("billing/x/b.csv", new, restates="yes"))
    assert counted(flow)[0] == 9
    refused(flow, 1, 2)
    follow(flow, 1, 2)
    assert counted(flow)[0] == 1


def test_a_chain_of_restated_files_ends_at_the_one_that_counts() -> None:
    flow = Flow()
    for number, cost in enumerate("123"):
        said = {"restates": "yes"} if number else {}
        flow.load(flow.objects.put(f"billing/x/{number}.csv", month(cost), **said))
    refused(flow, 1, 3)
    refused(flow, 2, 3)
    follow(flow, 1, 3)
    assert counted(flow)[0] == 1


@pytest.mark.parametrize(
    "keys",
    [
        [RUN.format(1, RUNS[1]), RUN.format(2, RUNS[2])],
        ["billing/x/a.csv", "billing/x/a.csv"],
    ],
    ids=["run", "version"],
)
def test_a_newer_run_or_version_goes_first(keys: list[str]) -> None:
    flow = Flow()
    for number, key in enumerate(keys, 1):
        flow.load(flow.objects.put(key, month(str(number))))
    refused(flow, 1, 2)
    follow(flow, 1, 2)
    assert counted(flow)[0] == 1


def test_a_word_on_a_file_goes_before_the_rule_of_its_dataset() -> None:
    flow = Flow()
    flow.objects.content[format_key("x"), ""] = b'{"replace": true}'
    for number in (1, 2):
        flow.load(flow.objects.put(f"billing/x/{number}.csv", month(str(number))))
    assert counted(flow)[0] == 2
    again = flow.retry(flow.store.files[1], restates=True)
    assert again.status is FileStatus.LOADED
    assert counted(flow)[0] == 1


def test_a_refused_file_restates_what_came_before_it() -> None:
    flow = Flow()
    flow.load(flow.objects.put("billing/x/a.csv", month("1")))
    second = flow.load(flow.objects.put("billing/x/b.csv", month("2")))
    assert flow.retry(second, restates=True).status is FileStatus.LOADED
    assert counted(flow)[0] == 2
    assert flow.load(flow.objects.put("billing/y/z.csv", bills(("1", 1)))).status == "LOADED"
