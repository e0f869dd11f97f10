"""Taking the rows of a loaded file back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from finops.billing.database.ledger_rows import FILES_AT_ONCE, LOADED, file_entry, now
from finops.billing.database.store import AuroraBillingStore
from finops.billing.domain import FileEntry, FileStatus
from finops.billing.schemas import BILLING, SCHEMAS, Schema
from finops.billing.withdrawal import Held
from finops.shared.data_api import Value
from finops.shared.money import WIDE, total

_FILES_SHOWN: Final = 100


class AuroraWithdrawals(AuroraBillingStore):
    """`WithdrawalStore` on the Data API."""

    def held(self, entry: FileEntry) -> Held:
        """What of the file's object counts."""
        found = [row for schema in SCHEMAS for row in self._held_in(schema, entry)]
        removed = [row for row in found if not int(row["kept"])]
        amounts: dict[str, Decimal] = {}
        for row in removed:
            before = amounts.get(row["currency"], Decimal(0))
            amounts[row["currency"]] = total((before, Decimal(row["amount"])))
        return Held(
            rows=sum(int(row["bills"]) for row in removed),
            kept=sum(int(row["bills"]) for row in found if int(row["kept"])),
            amounts={one: amount.normalize(WIDE) for one, amount in amounts.items()},
            amount_usd=total(Decimal(row["usd"]) for row in removed).normalize(WIDE),
        )

    def _held_in(self, schema: Schema, entry: FileEntry) -> Sequence[Mapping[str, Any]]:
        """Rows by currency, and by whether another file has them too, as `give_up` tells."""
        _, usd = schema.usd[0]
        # Rows without an identity are of one file each.
        kept, others = "0", ""
        if schema.key:
            kept = "s.load_id IS NOT NULL"
            others = (
                " LEFT JOIN billing_files s ON s.load_id = t.seen_load_id"
                f" AND s.key_hash <> :key_hash AND s.status IN {LOADED}"
                " AND s.version_order = t.version_order"
            )
        return self._database.execute(
            f"SELECT t.{schema.currency} AS currency, {kept} AS kept, COUNT(*) AS bills,"
            f" SUM(t.{schema.amount}) AS amount, SUM(t.{usd}) AS usd FROM billing_files f"
            f" JOIN {schema.table} t ON t.load_id = f.load_id{others}"
            " WHERE f.key_hash = :key_hash AND f.status IN"
            f" ('{FileStatus.LOADED}', '{FileStatus.LOADED_WITH_REJECTS}',"
            f" '{FileStatus.WITHDRAWN}') GROUP BY 1, 2 ORDER BY 1, 2",
            {"key_hash": entry.source.key_hash},
        ).rows

    def give_up(self, entry: FileEntry, reason: str) -> tuple[int, int]:
        key_hash = entry.source.key_hash
        with self._database.transaction() as transaction:
            kept = self._hand_over("f.key_hash = :key_hash", key_hash, transaction)
            versions = self._database.execute(
                f"UPDATE billing_files SET status = '{FileStatus.WITHDRAWN}',"
                " original_sha256 = NULL, error = :reason, error_code = 'withdrawn',"
                f" finished_at = :now WHERE key_hash = :key_hash AND status IN {LOADED}",
                {"key_hash": key_hash, "reason": reason[:4000], "now": now()},
                transaction=transaction,
            ).changed
        return versions, kept

    def _hand_over(self, whose: str, key_hash: str, transaction: str, **given: Value) -> int:
        """A row that another object held later, and as it is, is that one's from now on."""
        return self._database.execute(
            "UPDATE billing_rows t JOIN billing_files f ON f.load_id = t.load_id"
            " JOIN billing_files s ON s.load_id = t.seen_load_id"
            " SET t.load_id = s.load_id, t.object_hash = LEFT(s.key_hash, 16)"
            f" WHERE {whose} AND s.key_hash <> :key_hash"
            f" AND s.status IN {LOADED} AND t.version_order = s.version_order",
            {"key_hash": key_hash, **given},
            transaction=transaction,
        ).changed

    def remove_rows(self, entry: FileEntry) -> int:
        loads = self._database.execute(
            "SELECT load_id FROM billing_files"
            f" WHERE key_hash = :key_hash AND status = '{FileStatus.WITHDRAWN}'",
            {"key_hash": entry.source.key_hash},
        ).rows
        return sum(self._remove_load(load["load_id"]) for load in loads)

    def _remove_load(self, load_id: int) -> int:
        return sum(self._remove_rows(load_id, schema) for schema in SCHEMAS)

    def replaced_by(self, entry: FileEntry) -> Sequence[FileEntry]:
        found = self._database.execute(
            "SELECT DISTINCT f.load_id FROM billing_files f"
            " JOIN billing_replacements r ON r.load_id = f.load_id"
            " JOIN billing_files b ON b.load_id = r.replaced_by"
            " WHERE b.key_hash = :key_hash AND f.key_hash <> :key_hash"
            f" ORDER BY f.load_id LIMIT {_FILES_SHOWN:d}",
            {"key_hash": entry.source.key_hash},
        ).rows
        return [self.find(row["load_id"]) for row in found]

    def replacing(self, entry: FileEntry) -> Sequence[FileEntry]:
        found = self._database.execute(
            "SELECT b.* FROM billing_replacements r JOIN billing_files b"
            " ON b.load_id = r.replaced_by WHERE r.load_id = :load_id"
            f" ORDER BY b.load_id DESC LIMIT {FILES_AT_ONCE:d}",
            {"load_id": entry.load_id},
        ).rows
        return [file_entry(row) for row in found]

    def reopen(self, entry: FileEntry, *, restates: bool, part_of: str) -> None:
        load = {"load_id": entry.load_id}
        # First it counts no more, then its rows go, so that whoever is cut off can begin again.
        with self._database.transaction() as transaction:
            self._hand_over(
                "f.load_id = :load_id", entry.source.key_hash, transaction, load_id=entry.load_id
            )
            self._database.execute(
                f"UPDATE billing_files SET status = '{FileStatus.SUPERSEDED}',"
                f" original_sha256 = NULL WHERE load_id = :load_id AND status IN {LOADED}",
                load,
                transaction=transaction,
            )
        self._forget_pending(entry.load_id)
        self._remove_load(entry.load_id)
        with self._database.transaction() as transaction:
            for sql in (
                "DELETE FROM billing_chunks WHERE load_id = :load_id",
                # Bills that another file holds with other values go on being that file's.
                "DELETE r FROM billing_replacements r LEFT JOIN billing_files b"
                f" ON b.load_id = r.replaced_by AND b.status IN {LOADED}"
                f" AND b.schema_name = '{BILLING.name}'"
                " WHERE r.load_id = :load_id AND b.load_id IS NULL",
            ):
                self._database.execute(sql, load, transaction=transaction)
            self._database.execute(
                f"UPDATE billing_files SET status = '{FileStatus.RECEIVED}', error = NULL,"
                " error_code = '', notes = NULL, finished_at = NULL, restates = :restates,"
                " part_of = :part_of WHERE load_id = :load_id AND status IN"
                f" ('{FileStatus.SUPERSEDED}', '{FileStatus.REJECTED}', '{FileStatus.WITHDRAWN}',"
                f" '{FileStatus.FAILED}', '{FileStatus.WAITING}')",
                {**load, "restates": int(restates), "part_of": part_of},
                transaction=transaction,
            )

    def files_with_rows_of_others(self, entry: FileEntry) -> Sequence[str]:
        found = self._database.execute(
            "SELECT DISTINCT object_key FROM billing_files WHERE dataset = :dataset"
            f" AND status IN {LOADED} AND rows_unchanged > 0 AND key_hash <> :key_hash"
            f" ORDER BY object_key LIMIT {_FILES_SHOWN:d}",
            {"dataset": entry.dataset, "key_hash": entry.source.key_hash},
        ).rows
        return [row["object_key"] for row in found]
