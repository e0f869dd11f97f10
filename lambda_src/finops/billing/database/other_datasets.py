"""Bills of a load that another dataset holds: they would count twice."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

from finops.billing.database.ledger_rows import FILES_AT_ONCE, LOADED, file_entry, in_groups
from finops.billing.domain import FileEntry, Tally
from finops.billing.ports import SameBills
from finops.billing.schemas import BILLING
from finops.shared.data_api import DataApi
from finops.shared.periods import Month

#: A dataset's name takes up to 512 bytes, and an answer holds 1 MiB.
_LOADS_AT_ONCE: Final = 1_000
#: Lines, and datasets, that one statement compares within seconds; it may take 45 s.
_LINES_AT_ONCE: Final = 50_000
_DATASETS_AT_ONCE: Final = 10
#: `t` is the load's bill, and `o` another one.
_SAME: Final = (
    "o.record_id = t.record_id AND o.bill_date = t.bill_date AND o.currency = t.currency"
    " AND o.bill_amount = t.bill_amount AND t.bill_amount <> 0"
    " AND COALESCE(o.company_name, t.company_name, '')"
    " = COALESCE(t.company_name, o.company_name, '')"
)


def bills_of_other_datasets(
    database: DataApi, transaction: str, entry: FileEntry, tally: Tally
) -> SameBills | None:
    """See `LoadTransaction.same_bills`.

    Args:
        database: The database.
        transaction: Of the load.
        entry: The load.
        tally: What it wrote.
    """
    written = tally.inserted + tally.updated
    if not written or not tally.first_day:
        return None
    month, last = Month.parse(tally.first_day[:7]), Month.parse(tally.last_day[:7])
    months = []
    while month <= last:
        months.append(f"('{month.first}')")
        month = month.plus(1)
    database.execute(
        f"INSERT INTO billing_months (first_day) VALUES {', '.join(months)}"
        " ON DUPLICATE KEY UPDATE first_day = VALUES(first_day)",
        transaction=transaction,
    )
    if copy := _same_under_other_ids(database, transaction, entry, tally):
        return SameBills(entry=copy, count=written, of=written)
    counting = dict(_loads(database, "", entry, tally))
    # What others committed since this transaction began is not in what it sees of the tables.
    seen = dict(_loads(database, transaction, entry, tally))
    found = _known(database, transaction, entry, sorted({*seen.values()}))
    unseen = sorted(counting.keys() - seen.keys())
    for some in in_groups(unseen):
        rows = database.execute(
            "SELECT STRAIGHT_JOIN o.load_id, COUNT(*) AS shared"
            f" FROM {BILLING.table} o FORCE INDEX (load_lines) JOIN {BILLING.table} t"
            f" ON t.dataset = :dataset AND {_SAME}"
            f" WHERE o.load_id IN ({some}) AND t.load_id = :load_id"
            " GROUP BY o.load_id LOCK IN SHARE MODE",
            {"dataset": entry.dataset, "load_id": entry.load_id},
            transaction=transaction,
        ).rows
        found.update({int(row["load_id"]): int(row["shared"]) for row in rows})
    by_dataset: dict[str, Counter[int]] = defaultdict(Counter)
    for load, count in found.items():
        if load in counting:
            by_dataset[counting[load]][load] = count
    if not by_dataset:
        return None
    loads = max(by_dataset.values(), key=Counter.total)
    [(load, _)] = loads.most_common(1)
    other = database.execute(
        "SELECT * FROM billing_files WHERE load_id = :load_id", {"load_id": load}
    ).rows[0]
    return SameBills(entry=file_entry(other), count=loads.total(), of=written)


def _same_under_other_ids(
    database: DataApi, transaction: str, entry: FileEntry, tally: Tally
) -> FileEntry | None:
    """A file of another dataset with the same bills, whose ids are made by another rule.

    Without ids two bills are alike by chance, so only whole files are compared: by their days,
    currencies and amounts, and by companies where both know them.
    """
    candidates = database.execute(
        f"SELECT * FROM billing_files WHERE status IN {LOADED} AND schema_name = :schema"
        " AND dataset <> :dataset AND id_rule <> :id_rule"
        " AND first_day = :first_day AND last_day = :last_day"
        f" ORDER BY load_id LIMIT {FILES_AT_ONCE:d}",
        {
            "schema": BILLING.name,
            "dataset": entry.dataset,
            "id_rule": entry.id_rule,
            "first_day": tally.first_day,
            "last_day": tally.last_day,
        },
    ).rows
    if not candidates:
        return None
    mine = _digest(database, transaction, entry.load_id)
    # Other transactions' rows are read outside of this one, which began before they ended.
    for other in map(file_entry, candidates):
        theirs = _digest(database, "", other.load_id)
        known = {None, ""}.isdisjoint({mine["one"], theirs["one"]})
        are_others = known and (mine["one"], mine["last"]) != (theirs["one"], theirs["last"])
        if mine["counted"] and mine["digest"] == theirs["digest"] and not are_others:
            return other
    return None


def _digest(database: DataApi, transaction: str, load_id: int) -> dict[str, Any]:
    found = database.execute(
        "SELECT COUNT(*) AS counted, MIN(company_name) AS one, MAX(company_name) AS last,"
        " CONCAT(COUNT(*), ' ', COALESCE(SUM(bill_amount), 0), ' ', COALESCE(SUM("
        "CRC32(CONCAT_WS(' ', bill_date, currency, bill_amount))), 0)) AS digest"
        f" FROM {BILLING.table} WHERE load_id = :load_id AND bill_amount <> 0",
        {"load_id": load_id},
        transaction=transaction,
    ).rows
    return dict(found[0])


def _loads(
    database: DataApi, transaction: str, entry: FileEntry, tally: Tally
) -> Iterator[tuple[int, str]]:
    """(load, dataset) of loaded files of other datasets that may hold bills of the same days."""
    after = 0
    while True:
        page = database.execute(
            f"SELECT load_id, dataset FROM billing_files WHERE status IN {LOADED}"
            " AND schema_name = :schema AND dataset <> :dataset AND load_id > :after"
            " AND (first_day IS NULL OR first_day <= :last_day AND last_day >= :first_day)"
            f" ORDER BY load_id LIMIT {_LOADS_AT_ONCE:d}",
            {
                "schema": BILLING.name,
                "dataset": entry.dataset,
                "after": after,
                "first_day": tally.first_day,
                "last_day": tally.last_day,
            },
            transaction=transaction,
        ).rows
        yield from ((int(row["load_id"]), str(row["dataset"])) for row in page)
        if len(page) < _LOADS_AT_ONCE:
            return
        after = page[-1]["load_id"]


def _known(
    database: DataApi, transaction: str, entry: FileEntry, datasets: list[str]
) -> Counter[int]:
    """How many of the load's bills each load of these datasets holds, of what is seen."""
    found: Counter[int] = Counter()
    if not datasets:
        return found
    last = database.execute(
        f"SELECT COALESCE(MAX(line), -1) AS line FROM {BILLING.table} WHERE load_id = :load_id",
        {"load_id": entry.load_id},
        transaction=transaction,
    ).rows[0]["line"]
    for first in range(0, int(last) + 1, _LINES_AT_ONCE):
        for at in range(0, len(datasets), _DATASETS_AT_ONCE):
            rows = database.execute(
                "SELECT STRAIGHT_JOIN o.load_id, COUNT(*) AS shared"
                f" FROM {BILLING.table} t FORCE INDEX (load_lines)"
                " JOIN JSON_TABLE(:datasets, '$[*]' COLUMNS (name VARCHAR(128) PATH '$')) d"
                f" JOIN {BILLING.table} o ON o.dataset = d.name AND {_SAME}"
                " WHERE t.load_id = :load_id AND t.line >= :first AND t.line < :end"
                " GROUP BY o.load_id",
                {
                    "datasets": json.dumps(datasets[at : at + _DATASETS_AT_ONCE]),
                    "load_id": entry.load_id,
                    "first": first,
                    "end": first + _LINES_AT_ONCE,
                },
                transaction=transaction,
            ).rows
            found.update({int(row["load_id"]): int(row["shared"]) for row in rows})
    return found
