"""The billing ports in memory: they keep state, and roll it back."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, BinaryIO

from finops.billing.batches import Batch
from finops.billing.domain import (
    BILLS_REPLACED,
    LOADED,
    REPLACED,
    FileEntry,
    FileStatus,
    Quarantined,
    SourceObject,
    Sums,
    Tally,
    add_notes,
)
from finops.billing.period_identity import Period, identity_of
from finops.billing.ports import PeriodHolder, RowsTakenOver, RunFiles, SameBills, Stored, Written
from finops.billing.schemas import Schema
from finops.shared.errors import FinOpsError, RejectedInput, TransientFailure
from finops.shared.money import EXACT
from finops.shared.rates import STORED_SOURCES, Rate

#: When a file is loaded, by the database's clock.
FINISHED = datetime(2026, 4, 1, 12, tzinfo=UTC)
FINAL = tuple(one for one in FileStatus if one.is_final)
LOST = (FileStatus.FAILED, FileStatus.REJECTED, FileStatus.WITHDRAWN)


class FakeStore:
    """The database: ledger, rows by dataset and key, charges by load and line."""

    def __init__(self) -> None:
        self.files: dict[int, FileEntry] = {}
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.charges: dict[tuple[int, int], dict[str, Any]] = {}
        self.chunks: dict[tuple[int, int], tuple[Tally, str] | None] = {}
        #: Of the parts of each load in parts.
        self.first_lines: dict[int, dict[int, int]] = {}
        #: (load, load that took its place).
        self.replacements: set[tuple[int, int]] = set()
        #: Names of files by the folder of their run.
        self.manifests: dict[str, AbstractSet[str]] = {}
        self.known_rates: list[Rate] = []
        self.rate_orders: dict[tuple[str, date], str] = {}
        self.asked_rates: list[tuple[str, date, date]] = []
        #: Rows of loads in parts, by load and line, that will change others, with their keys.
        self.pending: dict[tuple[int, int], tuple[tuple[str, str], dict[str, Any]]] = {}
        #: Loads in parts since which a file of their dataset was withdrawn.
        self.stale: set[int] = set()
        self.committed_rows: dict[tuple[str, str], dict[str, Any]] = {}
        #: Raised by the next writes, in turn.
        self.failures: list[Exception] = []
        #: Rows that a faulty database drops from each batch.
        self.dropped = 0
        self.begun = 0
        #: The rows that each statement of a balance check added up.
        self.summed: list[int] = []

    def receive(self, source: SourceObject, dataset: str) -> FileEntry:
        for entry in self.files.values():
            if entry.source.file_id == source.file_id:
                return entry
        entry = FileEntry(
            load_id=len(self.files) + 1,
            source=source,
            dataset=dataset,
            status=FileStatus.RECEIVED,
            tally=Tally(),
            amounts={},
        )
        self.files[entry.load_id] = entry
        return entry

    def find(self, load_id: int) -> FileEntry:
        return self.files[load_id]

    @contextmanager
    def transaction(self) -> Iterator[FakeTransaction]:
        self.begun += 1
        parts = ("files", "rows", "charges", "chunks", "replacements", "pending")
        before = {name: copy.deepcopy(getattr(self, name)) for name in parts}
        self.committed_rows = before["rows"]
        try:
            yield FakeTransaction(self)
        except BaseException:
            for name, value in before.items():
                setattr(self, name, value)
            raise

    def mark(
        self, load_id: int, status: FileStatus, error: FinOpsError | None = None, **facts: Any
    ) -> None:
        if self.files[load_id].status.is_final and self.files[load_id].status != "WAITING":
            return
        if "schema_name" in facts:
            facts["schema"] = facts.pop("schema_name")
        if "used_format" in facts:
            facts["format"] = facts.pop("used_format")
        self.files[load_id] = replace(
            self.files[load_id],
            status=status,
            error=str(error) if error else "",
            error_code=error.code if error else "",
            **facts,
        )

    def newest(self, folder: str, statuses: Sequence[FileStatus]) -> list[FileEntry]:
        """The newest versions of a folder's files that have such a status."""
        inside = [one for one in self.files.values() if one.source.key.startswith(f"{folder}/")]
        orders: dict[str, str] = {}
        for one in inside:
            key = one.source.key
            orders[key] = max(orders.get(key, ""), one.source.order)
        newest = [one for one in inside if one.source.order == orders[one.source.key]]
        return [one for one in newest if one.status in statuses]

    def waiting(self, folder: str) -> Sequence[FileEntry]:
        return self.newest(folder, (FileStatus.WAITING,))

    def replaced_by_parts(self, prefix: str) -> Sequence[tuple[FileEntry, int]]:
        found = []
        for load_id, replaced_by in sorted(self.replacements):
            old, by = self.files[load_id], self.files[replaced_by]
            inside = by.source.key.startswith(prefix) or by.source.part_of.startswith(prefix)
            is_other = old.source.key_hash != by.source.key_hash
            if inside and is_other and by.status in LOADED and old.status == "SUPERSEDED":
                found.append((by, load_id))
        return found

    def keep_manifest(self, folder: str, names: AbstractSet[str]) -> None:
        self.manifests[folder] = names

    def plan_chunks(self, load_id: int, lines: Mapping[int, int], schema: Schema) -> None:
        if self.first_lines.get(load_id, lines) != lines:
            self.forget_parts(load_id, schema)
        self.first_lines[load_id] = dict(lines)
        for number in lines:
            self.chunks.setdefault((load_id, number), None)

    def forget_pending(self, load_id: int) -> None:
        for row in self.rows.values():
            if row["seen"] == load_id:
                row["seen"] = row["load"]
        self.pending = {at: one for at, one in self.pending.items() if at[0] != load_id}

    def forget_parts(self, load_id: int, schema: Schema) -> None:
        self.stale.discard(load_id)
        self.forget_pending(load_id)
        self.chunks = {key: one for key, one in self.chunks.items() if key[0] != load_id}
        self.first_lines.pop(load_id, None)
        self.rows = {key: row for key, row in self.rows.items() if row["load"] != load_id}
        self.charges = {key: row for key, row in self.charges.items() if key[0] != load_id}

    def purge_superseded(self, schema: Schema) -> int:
        gone = (FileStatus.SUPERSEDED, FileStatus.REJECTED)
        old = [key for key in self.charges if self.files[key[0]].status in gone]
        for key in old:
            del self.charges[key]
        return len(old)

    def hand_over(self, loads: AbstractSet[int], key_hash: str) -> int:
        kept = 0
        for row in self.rows.values():
            holder = self.files[row["seen"]]
            if (
                row["load"] in loads
                and key_hash != holder.source.key_hash
                and holder.status in LOADED
                and row["order"] == holder.source.order
            ):
                row["load"] = holder.load_id
                kept += 1
        return kept

    def give_up(self, entry: FileEntry, reason: str) -> tuple[int, int]:
        key_hash = entry.source.key_hash
        loads = {one.load_id for one in self.files.values() if one.source.key_hash == key_hash}
        kept = self.hand_over(loads, key_hash)
        mine = [
            one
            for one in self.files.values()
            if one.source.key_hash == key_hash and one.status in LOADED
        ]
        for one in mine:
            self.files[one.load_id] = replace(
                one, status=FileStatus.WITHDRAWN, error=reason, error_code="withdrawn"
            )
            self.stale |= {
                load
                for (load, _), part in self.chunks.items()
                if part and self.files[load].dataset == one.dataset
            }
        return len(mine), kept

    def remove_rows(self, entry: FileEntry) -> int:
        gone = {
            one.load_id
            for one in self.files.values()
            if one.source.key_hash == entry.source.key_hash and one.status is FileStatus.WITHDRAWN
        }
        rows = [key for key, row in self.rows.items() if row["load"] in gone]
        charges = [key for key in self.charges if key[0] in gone]
        for key in rows:
            del self.rows[key]
        for number in charges:
            del self.charges[number]
        return len(rows) + len(charges)

    def replaced_by(self, entry: FileEntry) -> Sequence[FileEntry]:
        key_hash = entry.source.key_hash
        found = {
            load_id
            for load_id, by in self.replacements
            if self.files[by].source.key_hash == key_hash != self.files[load_id].source.key_hash
        }
        return [self.files[one] for one in sorted(found)]

    def replacing(self, entry: FileEntry) -> Sequence[FileEntry]:
        return [self.files[by] for load_id, by in self.replacements if load_id == entry.load_id]

    def reopen(self, entry: FileEntry, *, restates: bool, part_of: str) -> None:
        mine = entry.load_id
        self.stale.discard(mine)
        self.forget_pending(mine)
        self.hand_over({mine}, entry.source.key_hash)
        self.charges = {key: row for key, row in self.charges.items() if key[0] != mine}
        self.chunks = {key: one for key, one in self.chunks.items() if key[0] != mine}
        self.first_lines.pop(mine, None)
        self.rows = {key: row for key, row in self.rows.items() if row["load"] != mine}
        self.replacements = {
            (load_id, by)
            for load_id, by in self.replacements
            if load_id != mine
            or (self.files[by].status in LOADED and self.files[by].schema == "billing")
        }
        self.files[entry.load_id] = replace(
            entry,
            source=replace(entry.source, restates=restates, part_of=part_of),
            status=FileStatus.RECEIVED,
            tally=Tally(),
            error="",
            error_code="",
            finished_at=None,
        )

    def files_with_rows_of_others(self, entry: FileEntry) -> Sequence[str]:
        return sorted(
            {
                one.source.key
                for one in self.files.values()
                if one.dataset == entry.dataset
                and one.status in LOADED
                and one.tally.unchanged
                and one.source.key_hash != entry.source.key_hash
            }
        )

    def rates(self, currency: str, first: date, last: date) -> list[Rate]:
        self.asked_rates.append((currency, first, last))
        return [
            one
            for one in sorted(self.known_rates, key=lambda rate: rate.rate_date)
            if one.currency == currency and first <= one.rate_date <= last
        ]

    def put_rates(self, rates: Iterable[Rate], version_order: str) -> Tally:
        tally = Tally()
        places = {(one.currency, one.rate_date): at for at, one in enumerate(self.known_rates)}
        for rate in rates:
            tally.read += 1
            place = (rate.currency, rate.rate_date)
            at = places.setdefault(place, len(self.known_rates))
            if at == len(self.known_rates):
                self.known_rates.append(rate)
                self.rate_orders[place] = version_order
                tally.inserted += 1
                continue
            held = self.known_rates[at]
            ranks = [STORED_SOURCES.index(one.source) for one in (rate, held)]
            is_newer = self.rate_orders[place] <= version_order
            may_replace = ranks[0] > ranks[1] or (ranks[0] == ranks[1] and is_newer)
            if rate.usd_per_unit != held.usd_per_unit:
                is_other = rate.source != held.source
                add_notes(
                    tally.notes,
                    {"rates_replaced": may_replace and is_other, "rates_kept": not may_replace},
                )
            if may_replace:
                self.rate_orders[place] = version_order
            if may_replace and rate != held:
                self.known_rates[at] = rate
                tally.updated += 1
            else:
                tally.unchanged += 1
        return tally


class FakeTransaction:
    """All of it stays, or nothing: the store sees to that."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._kept_from: set[int] = set()

    def _refuse_uncertain(self) -> None:
        for load_id in self._kept_from:
            if self._store.files[load_id].status not in LOADED:
                raise TransientFailure("rows of a file that is not loaded", code="busy")

    def apply_pending(self, entry: FileEntry, schema: Schema) -> None:
        mine = {at: one for at, one in self._store.pending.items() if at[0] == entry.load_id}
        replaced: dict[int, int] = {}
        for key, row in mine.values():
            there = self._store.rows.get(key)
            if there is None or there["seen"] != entry.load_id or there["load"] == entry.load_id:
                raise RowsTakenOver(entry.load_id, "files took rows over")
            is_other = self._store.files[there["load"]].source.key_hash != entry.source.key_hash
            if is_other:
                replaced[there["load"]] = replaced.get(there["load"], 0) + 1
            self._store.rows[key] = row
        self._note_replaced(replaced, entry)
        self._store.pending = {at: one for at, one in self._store.pending.items() if at not in mine}

    def lock(self, load_id: int) -> FileEntry:
        return self._store.files[load_id]

    def newer_version(self, entry: FileEntry) -> PeriodHolder | None:
        newer = [
            one
            for one in self._versions(entry)
            if one.source.order > entry.source.order and one.status in LOADED
        ]
        if not newer:
            return None
        held = self._periods().get(newer[0].load_id, set())
        return PeriodHolder(entry=newer[0], periods=held)

    def write(
        self,
        entry: FileEntry,
        schema: Schema,
        batch: Batch,
        *,
        replace: bool,
        later: bool = False,
    ) -> Written:
        if self._store.failures:
            raise self._store.failures.pop(0)
        names = ["line", "rate", "rate_date", "rate_source", *(usd for _, usd in schema.usd)]
        names += [column.name for column in schema.columns]
        rows = [dict(zip(names, values, strict=True)) for values in json.loads(batch.document)]
        rows = rows[self._store.dropped :]
        if not schema.key:
            for row in rows:
                self._store.charges[entry.load_id, row["line"]] = row
            return Written(inserted=len(batch.rows), updated=0, kept_sums={})
        inserted = updated = unchanged = superseded = elsewhere = 0
        kept: Sums = {}
        kept_usd = Decimal(0)
        duplicates = []
        replaced: dict[int, int] = {}
        conflicts: dict[int, str] = {}
        columns = [column.name for column in schema.columns]
        for row in rows:
            key = (entry.dataset, row[schema.key])
            mine = {"load": entry.load_id, "seen": entry.load_id, "order": entry.source.order}
            there = self._store.rows.get(key)
            writer = self._store.files[there["load"]] if there else entry
            is_same = there is not None and all(there[one] == row[one] for one in columns)
            is_own = replace or writer.source.key_hash == entry.source.key_hash
            if there is None:
                self._store.rows[key] = row | mine
                inserted += 1
            elif there["seen"] == entry.load_id:
                duplicates.append(row["line"])
            elif writer.status in LOST:
                self._store.rows[key] = row | mine
                updated += 1
            elif not is_own and not is_same:
                conflicts[row["line"]] = writer.source.uri
            elif there["order"] > entry.source.order:
                elsewhere += writer.source.key_hash != entry.source.key_hash
                self._kept_from.add(writer.load_id)
                there["seen"] = entry.load_id
                unchanged, superseded = unchanged + 1, superseded + 1
                currency = row[schema.currency]
                kept[currency] = kept.get(currency, Decimal(0)) + Decimal(row[schema.amount])
            elif is_same:
                elsewhere += writer.source.key_hash != entry.source.key_hash
                self._kept_from.add(writer.load_id)
                there.update(seen=entry.load_id, order=entry.source.order)
                unchanged += 1
                currency = row[schema.currency]
                kept[currency] = kept.get(currency, Decimal(0)) + Decimal(row[schema.amount])
                kept_usd += Decimal(there[schema.usd[0][1]])
            elif later:
                self._store.pending[entry.load_id, row["line"]] = (key, row | mine)
                there["seen"] = entry.load_id
                updated += 1
            else:
                self._store.rows[key] = row | mine
                updated += 1
                is_other = writer.source.key_hash != entry.source.key_hash
                replaced[writer.load_id] = replaced.get(writer.load_id, 0) + is_other
        self._note_replaced({one: count for one, count in replaced.items() if count}, entry)
        return Written(
            inserted=inserted + self._store.dropped,
            updated=updated,
            unchanged=unchanged,
            superseded=superseded,
            elsewhere=elsewhere,
            kept_sums=kept,
            kept_usd=kept_usd,
            duplicates=duplicates,
            conflicts=conflicts,
            replaced=replaced,
        )

    def _note_replaced(self, replaced: dict[int, int], by: FileEntry) -> None:
        for load_id, count in replaced.items():
            file = self._store.files[load_id]
            tally = copy.deepcopy(file.tally)
            add_notes(tally.notes, {BILLS_REPLACED: count})
            self._store.files[load_id] = dataclasses.replace(file, tally=tally)
            self._store.replacements.add((load_id, by.load_id))

    def last_line(self, entry: FileEntry, schema: Schema) -> int:
        return max((one["line"] for one in self._held(entry, schema)), default=-1)

    def stored(self, entry: FileEntry, schema: Schema, first: int, last: int | None) -> Stored:
        mine = [
            one
            for one in self._held(entry, schema)
            if first <= one["line"] and (last is None or one["line"] < last)
        ]
        self._store.summed.append(len(mine))
        sums: Sums = {}
        for one in mine:
            currency = one[schema.currency]
            sums[currency] = EXACT.add(sums.get(currency, Decimal(0)), Decimal(one[schema.amount]))
        usd = reduce(EXACT.add, (Decimal(one[schema.usd[0][1]]) for one in mine), Decimal(0))
        return Stored(rows=len(mine), sums=sums, amount_usd=usd)

    def _held(self, entry: FileEntry, schema: Schema) -> list[dict[str, Any]]:
        if schema.key:
            pending = [
                one for at, (_, one) in self._store.pending.items() if at[0] == entry.load_id
            ]
            rows = self._store.rows.values()
            return [*(one for one in rows if one["load"] == entry.load_id), *pending]
        return [one for key, one in self._store.charges.items() if key[0] == entry.load_id]

    def claim_content(
        self, entry: FileEntry, sha256: str, schema: Schema | None = None
    ) -> FileEntry | None:
        files = self._store.files
        files[entry.load_id] = replace(files[entry.load_id], content_sha256=sha256)
        same = [
            one
            for one in files.values()
            if one.content_sha256 == sha256
            and one.status in LOADED
            and one.load_id != entry.load_id
            and (schema is None or self._held(one, schema))
        ]
        same.sort(key=lambda one: one.dataset != entry.dataset)
        return same[0] if same else None

    def same_bills(self, entry: FileEntry, tally: Tally) -> SameBills | None:
        def bill(row: dict[str, Any]) -> tuple[Any, ...]:
            return row["record_id"], row["bill_date"], row["currency"], Decimal(row["bill_amount"])

        files = self._store.files
        mine = [row for row in self._store.rows.values() if row["load"] == entry.load_id]
        written = tally.inserted + tally.updated
        for other in files.values():
            is_other = other.dataset != entry.dataset and other.id_rule != entry.id_rule
            is_loaded = other.status in LOADED and other.schema == "billing"
            if is_other and is_loaded and self._is_alike(entry.load_id, other.load_id):
                return SameBills(entry=other, count=written, of=written)
        held: dict[str, list[int]] = {}
        for (dataset, _), row in self._store.rows.items():
            if dataset == entry.dataset or files[row["load"]].status not in LOADED:
                continue
            for one in mine:
                companies = {one["company_name"], row["company_name"]} - {None, ""}
                is_money = Decimal(one["bill_amount"]) != 0
                if is_money and bill(one) == bill(row) and len(companies) < 2:
                    held.setdefault(dataset, []).append(row["load"])
        if not held:
            return None
        loads = max(held.items(), key=lambda one: (len(one[1]), one[0]))[1]
        first = max(set(loads), key=lambda one: (loads.count(one), -one))
        return SameBills(entry=files[first], count=len(loads), of=written)

    def _is_alike(self, load: int, other: int) -> bool:
        bills: list[Counter[tuple[Any, ...]]] = [Counter(), Counter()]
        companies: list[set[str]] = [set(), set()]
        for at, load_id in enumerate((load, other)):
            for row in self._store.rows.values():
                if row["load"] == load_id and (amount := Decimal(row["bill_amount"])):
                    bills[at][row["bill_date"], row["currency"], amount] += 1
                    companies[at] |= {row["company_name"]} - {None, ""}
        known = all(companies)
        is_same_company = min(companies[0], default="") == min(companies[1], default="")
        return bool(bills[0]) and bills[0] == bills[1] and (not known or is_same_company)

    def other_ids(self, entry: FileEntry, schema: Schema) -> FileEntry | None:
        return next(
            (
                one
                for one in self._store.files.values()
                if one.dataset == entry.dataset
                and one.status in LOADED
                and one.schema == schema.name
                and one.id_rule != entry.id_rule
                and one.load_id != entry.load_id
                # It is read outside of the transaction.
                and any(row["load"] == one.load_id for row in self._store.committed_rows.values())
            ),
            None,
        )

    def older_versions(self, entry: FileEntry, schema: Schema) -> list[PeriodHolder]:
        held = self._periods()
        return [
            PeriodHolder(entry=one, periods=held.get(one.load_id, set()))
            for one in self._versions(entry)
            if one.source.order < entry.source.order
            and one.status in LOADED
            and not (schema.key and one.schema == schema.name)
        ]

    def _periods(self) -> dict[int, set[Period]]:
        held: dict[int, set[Period]] = {}
        for (load_id, _), row in self._store.charges.items():
            held.setdefault(load_id, set()).add(_period(row))
        return held

    def period_holders(self, entry: FileEntry, periods: AbstractSet[Period]) -> list[PeriodHolder]:
        held = self._periods()
        starts = {identity_of(one).start for one in periods}
        return [
            PeriodHolder(entry=one, periods=held[one.load_id])
            for one in self._store.files.values()
            if one.status in LOADED
            and one.source.key_hash != entry.source.key_hash
            and starts & {identity_of(period).start for period in held.get(one.load_id, ())}
        ]

    def sub_accounts(self, load_id: int) -> AbstractSet[str]:
        return {
            row["sub_account_id"] or ""
            for key, row in self._store.charges.items()
            if key[0] == load_id
        }

    def on_their_way(self, prefix: str) -> list[str]:
        files = self._store.files.values()
        keys = {one.source.key for one in files if one.status not in FINAL}
        return sorted(one for one in keys if one.startswith(prefix))

    def passed_over(self, prefix: str) -> list[FileEntry]:
        files = self._store.files
        replaced = {
            load_id
            for load_id, by in self._store.replacements
            if files[load_id].source.key_hash != files[by].source.key_hash
        }
        return [
            one
            for one in files.values()
            if (one.source.key.startswith(prefix) or one.source.part_of.startswith(prefix))
            and one.source.order == max(each.source.order for each in self._versions(one))
            and (
                (one.status is FileStatus.SUPERSEDED and one.load_id in replaced)
                or (one.status is FileStatus.REJECTED and one.error_code != "duplicate_content")
            )
        ]

    def versions_until(self, entry: FileEntry) -> int:
        return sum(one.source.order <= entry.source.order for one in self._versions(entry))

    def loaded_below(self, entry: FileEntry, folder: str) -> Sequence[FileEntry]:
        return self._store.newest(folder, LOADED)

    def periods_of(self, entry: FileEntry) -> AbstractSet[Period]:
        return self._periods().get(entry.load_id, set())

    def run_files(self, folder: str) -> RunFiles:
        loaded = (*LOADED, FileStatus.WAITING)
        names = {one.source.key.rpartition("/")[2] for one in self._store.newest(folder, loaded)}
        return RunFiles(named=self._store.manifests.get(folder), loaded=names)

    def hold(self, entry: FileEntry) -> None:
        assert self._store.files[entry.load_id].status in LOADED

    def supersede(self, files: Sequence[FileEntry], by: FileEntry) -> None:
        for one in files:
            self._store.files[one.load_id] = replace(
                self._store.files[one.load_id],
                status=FileStatus.SUPERSEDED,
                error=f"replaced by {by.source.uri} (load {by.load_id})",
                error_code="replaced",
            )
            self._store.replacements.add((one.load_id, by.load_id))

    def take_periods(self, entry: FileEntry, periods: Sequence[Period], by: FileEntry) -> None:
        charges = self._store.charges
        gone = [
            key
            for key, row in charges.items()
            if key[0] == entry.load_id and _period(row) in periods
        ]
        for key in gone:
            del charges[key]
        file = self._store.files[entry.load_id]
        tally = copy.deepcopy(file.tally)
        add_notes(tally.notes, {REPLACED: len(gone)})
        left = [row for key, row in charges.items() if key[0] == entry.load_id]
        usd = reduce(EXACT.add, (Decimal(row["billed_cost_usd"]) for row in left), Decimal(0))
        self._store.files[entry.load_id] = replace(file, tally=tally, amount_usd=usd)
        self._store.replacements.add((entry.load_id, by.load_id))

    def finish(
        self,
        entry: FileEntry,
        status: FileStatus,
        tally: Tally,
        *,
        schema: str,
        quarantine_uri: str,
        why: str = "",
    ) -> None:
        self._refuse_uncertain()
        self._store.files[entry.load_id] = replace(
            self._store.files[entry.load_id],
            status=status,
            tally=tally,
            schema=schema,
            amounts=dict(tally.read_sums),
            amount_usd=tally.amount_usd,
            quarantine_uri=quarantine_uri,
            format=entry.format,
            error=why,
            error_code="run_is_incomplete" if why else "",
            finished_at=FINISHED,
        )

    def chunk_is_loaded(self, load_id: int, number: int) -> bool:
        return self._store.chunks[load_id, number] is not None

    def enter_chunk(self, load_id: int, number: int, tally: Tally, quarantine_uri: str) -> None:
        self._refuse_uncertain()
        self._store.chunks[load_id, number] = (tally, quarantine_uri)

    def withdrawn_since_parts(self, entry: FileEntry) -> bool:
        return entry.load_id in self._store.stale

    def chunks(self, load_id: int) -> tuple[int, list[int], Tally, str]:
        mine = {key[1]: one for key, one in self._store.chunks.items() if key[0] == load_id}
        total = Tally()
        for one in mine.values():
            if one:
                total.add(one[0])
        return len(mine), [number for number, one in mine.items() if not one], total, ""

    def _versions(self, entry: FileEntry) -> list[FileEntry]:
        return [
            one
            for one in self._store.files.values()
            if one.source.key_hash == entry.source.key_hash
        ]


def _period(row: dict[str, Any]) -> Period:
    return (row["billing_account_id"], row["billing_period_start"], row["provider_name"] or "")


class FakeObjects:
    """The bucket."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], bytes] = {}
        self.submitters: dict[str, str] = {}
        #: By version.
        self.said: dict[str, dict[str, str]] = {}
        self._versions = 0

    def put(self, key: str, body: bytes, order: str = "", **said: str) -> SourceObject:
        """Drop an object; what is said of it are its metadata, such as `part_of`."""
        self._versions += 1
        version = f"v{self._versions}"
        self.said[version] = {name.replace("_", "-"): text for name, text in said.items()}
        self.content[key, version] = body
        return SourceObject(
            bucket="bucket",
            key=key,
            version_id=version,
            etag="",
            size=len(body),
            order=order or f"{self._versions:04}",
        )

    def open(self, source: SourceObject, start: int = 0, end: int | None = None) -> BinaryIO:
        found = self.content.get((source.key, source.version_id))
        if found is None:
            raise RejectedInput(f"{source.uri} is gone", code="object_is_gone")
        return io.BytesIO(found[start:end])

    def metadata(self, source: SourceObject) -> dict[str, str]:
        said = self.said.get(source.version_id, {})
        return said | {"submitted-by": self.submitters.get(source.key, "")}

    def write(self, key: str, pieces: Iterable[bytes]) -> None:
        self.content[key, ""] = b"".join(pieces)

    def read(self, key: str) -> Iterator[bytes]:
        yield self.content[key, ""]


class FakeQuarantine:
    """Rows that were not loaded."""

    def __init__(self) -> None:
        self.rows: list[Quarantined] = []
        self.closed = self.abandoned = False

    def put(self, row: Quarantined) -> None:
        self.rows.append(row)

    def close(self) -> str:
        self.closed = True
        return "s3://bucket/quarantine/rows.csv" if self.rows else ""

    def abandon(self) -> None:
        self.abandoned = True


class FakeWorkflow:
    """Executions that were started."""

    def __init__(self) -> None:
        self.started: list[tuple[int, int]] = []
        self.running = False

    def is_running(self, entry: FileEntry) -> bool:
        return self.running

    def start(self, entry: FileEntry, execution: int) -> None:
        self.started.append((entry.load_id, execution))
        self.running = True
