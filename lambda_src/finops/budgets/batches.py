"""A batch of the table's stream: which edits count, in which order, and who waits for whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from finops.budgets.defaults import is_default
from finops.budgets.documents import default_of_accounts, document_for
from finops.budgets.domain import BudgetChange, BudgetKey, Delivery
from finops.budgets.publications import Outcome, Publication


def publish_in_order(
    changes: Iterable[BudgetChange],
    publish: Callable[[BudgetChange], Publication],
    *,
    concurrency: int,
    would_wait: Callable[[BudgetChange], bool] = lambda _: False,
) -> list[tuple[BudgetChange, Publication | Exception]]:
    """Publish a batch: different budgets in parallel, edits of the same budget in order.

    An edit that a later one of the batch replaces is not published, unless that one is not valid or
    would have to wait: until it is approved, the edit before it stands. After a failure the later
    edits of that budget are not tried: the stream delivers them again, in order. The budgets of one
    account take at most a quarter of the threads.
    """
    lanes: dict[BudgetKey, list[BudgetChange]] = defaultdict(list)
    for change in changes:
        lanes[change.key].append(change)

    def work(lane: list[BudgetChange]) -> list[tuple[BudgetChange, Publication | Exception]]:
        replaced = _last_that_replaces(lane, would_wait)
        done: list[tuple[BudgetChange, Publication | Exception]] = [
            (change, Publication(outcome=Outcome.SUPERSEDED)) for change in lane[:replaced]
        ]
        for change in lane[replaced:]:
            try:
                done.append((change, publish(change)))
            except Exception as error:  # noqa: BLE001 - one edit must not fail the others
                done.extend((later, error) for later in lane[len(done) :])
                break
        return done

    def work_through(
        keys: Sequence[BudgetKey],
    ) -> list[tuple[BudgetChange, Publication | Exception]]:
        return [pair for key in keys for pair in work(lanes[key])]

    queues = _fair_queues(lanes, of_one_account=max(1, concurrency // 4))
    with ThreadPoolExecutor(max(1, min(concurrency, len(queues)))) as pool:
        return [pair for queue in pool.map(work_through, queues) for pair in queue]


def _fair_queues(
    lanes: Mapping[BudgetKey, Sequence[BudgetChange]], *, of_one_account: int
) -> list[list[BudgetKey]]:
    """The budgets in at most so many queues an account; each account's first queue comes first."""
    accounts: dict[str, list[BudgetKey]] = defaultdict(list)
    for key, changes in lanes.items():
        row = changes[-1].row or {}
        in_payer = row.get("delivery") == Delivery.PAYER
        accounts[Delivery.PAYER if in_payer else key.account_id].append(key)
    return [
        queue
        for number in range(of_one_account)
        for account in accounts.values()
        if (queue := account[number::of_one_account])
    ]


def _last_that_replaces(
    lane: Sequence[BudgetChange], would_wait: Callable[[BudgetChange], bool]
) -> int:
    """Which edit of a budget is the first that counts: the last that can take effect at once."""
    for at in range(len(lane) - 1, 0, -1):
        if _takes_effect(lane[at], would_wait):
            return at
    return 0


def _takes_effect(change: BudgetChange, would_wait: Callable[[BudgetChange], bool]) -> bool:
    """Whether an edit is valid and waits for nobody."""
    try:
        if change.row is None or not is_default(change.key.account_id):
            document_for(change)
        else:
            default_of_accounts(change.row)
        return not would_wait(change)
    except Exception:  # noqa: BLE001 - publishing it says why
        return False
