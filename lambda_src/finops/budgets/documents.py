"""The document that carries a budget from the table to the spoke, in a parameter."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from finops.budgets.attributes import ATTRIBUTES, Form
from finops.budgets.domain import Budget, BudgetChange, BudgetKey, Delivery, edit_version
from finops.budgets.rows import parse_budget, parse_key, read_budget
from finops.budgets.values import NONE, parse_delivery
from finops.shared.errors import RejectedInput

DOCUMENT_SCHEMA: Final = 1
# A standard parameter holds 4 KB:
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
MAX_DOCUMENT_BYTES: Final = 4096
#: Of what an editor calls an edit; what is longer is cut.
LONGEST_REQUEST_ID: Final = 64
#: What the budget that a new spoke makes by itself has in place of an edit's.
SEED_VERSION: Final = "0"
SEED_REQUEST_ID: Final = "seed"
_LONGEST_VERSION: Final = edit_version("9" * 40)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetDocument:
    """What the management account publishes to the spoke's parameter: a budget, or its absence.

    `edited_at` is None for a drift repair, whose latency is not measured. `removed_from` is where
    an absent budget was. `untagged` says whether an earlier version of the flow may have made the
    budget, which did not tag it; None in a document of such a version. See
    `finops.budgets.ownership`.
    """

    key: BudgetKey
    version: str
    request_id: str
    edited_at: datetime | None
    budget: Budget | None
    removed_from: Delivery = Delivery.SPOKE
    untagged: bool | None = False

    @property
    def delivery(self) -> Delivery:
        """Which account has the parameter and the AWS Budget."""
        return self.budget.delivery if self.budget else self.removed_from

    @property
    def aws_name(self) -> str:
        """The name of the AWS Budget, and the last part of the parameter's."""
        return self.key.name_in(self.delivery)

    @property
    def content_digest(self) -> str:
        """SHA-256 of the wanted budget, whatever the version and the request."""
        return content_digest(self.budget, self.removed_from)

    def encode(self) -> str:
        """The parameter's value: canonical JSON, equal for equal documents."""
        return _canonical(
            {
                "schema": DOCUMENT_SCHEMA,
                "account_id": self.key.account_id,
                "budget_name": self.key.budget_name,
                "version": self.version,
                "request_id": self.request_id,
                "edited_at": self.edited_at.isoformat() if self.edited_at else "",
                **({} if self.untagged is None else {"untagged": self.untagged}),
                **_content(self.budget, self.removed_from),
            }
        ).decode()


def content_digest(budget: Budget | None, removed_from: Delivery = Delivery.SPOKE) -> str:
    """SHA-256 of a wanted budget, or of its absence, as `BudgetDocument.content_digest`."""
    return hashlib.sha256(_canonical(_content(budget, removed_from))).hexdigest()


def document_for(
    change: BudgetChange, *, removed_from: Delivery = Delivery.SPOKE
) -> BudgetDocument:
    """The document that an edit asks for: the row's budget, or its absence from where it was.

    Raises:
        RejectedInput: as `budget_of`.
    """
    return BudgetDocument(
        key=change.key,
        version=change.version,
        request_id=change.request_id[:LONGEST_REQUEST_ID],
        edited_at=change.edited_at,
        budget=None if change.row is None else budget_of(change.row),
        removed_from=removed_from,
    )


def budget_of(row: Mapping[str, object]) -> Budget:
    """The budget that a row asks for, whose document fits into a parameter in any version.

    Raises:
        RejectedInput: the row is not valid, or its document does not fit.
    """
    budget = parse_budget(row)
    longest = BudgetDocument(
        key=budget.key,
        version=_LONGEST_VERSION,
        request_id="-" * LONGEST_REQUEST_ID,
        edited_at=datetime.max.replace(tzinfo=UTC),
        budget=budget,
        untagged=True,
    )
    size = len(longest.encode().encode())
    if size > MAX_DOCUMENT_BYTES:
        raise RejectedInput(
            f"the budget needs {size} bytes, and a parameter holds {MAX_DOCUMENT_BYTES}",
            code="budget_too_large",
            remedy="Use fewer emails or cost filter values, or split it into two budgets",
        )
    return budget


def default_of_accounts(row: Mapping[str, object]) -> Budget:
    """The budget that a default's row asks for, which each account that inherits it can have.

    Raises:
        RejectedInput: the row is not valid, or an account could not have the budget.
    """
    budget = parse_budget(row, defaults=True)
    budget_of({**row, "account_id": "0" * 12})
    return budget


def seed_document(account_id: str, row: Mapping[str, object]) -> BudgetDocument:
    """The account's budget until finance enters one, from its row: any edit is newer.

    Raises:
        RejectedInput: the row is not valid.
    """
    fields = {"account_id": account_id, **row}
    return BudgetDocument(
        key=parse_key(fields),
        version=SEED_VERSION,
        request_id=SEED_REQUEST_ID,
        edited_at=None,
        budget=parse_budget(fields),
    )


def decode_document(text: str, *, defaults: bool = False) -> BudgetDocument:
    """The document in a parameter's value, or in the status of a default where `defaults`.

    Raises:
        RejectedInput: it is not a document of this schema, for example after a manual edit.
    """
    try:
        fields = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise RejectedInput(
            f"the parameter does not hold JSON: {error}", code="invalid_document", value=text
        ) from None
    if not isinstance(fields, dict) or fields.get("schema") != DOCUMENT_SCHEMA:
        raise RejectedInput(
            f"the parameter does not hold a budget document of schema {DOCUMENT_SCHEMA}",
            code="invalid_document",
            value=text,
            remedy="Run `finops budgets drift --repair` to publish the table's row again",
        )
    for attribute in ATTRIBUTES:
        # How a document says what a row says by the word.
        if attribute.form is Form.LIST and fields.get(attribute.name) == []:
            fields[attribute.name] = NONE
    envelope = {
        name: str(fields.pop(name, ""))
        for name in ("schema", "version", "request_id", "edited_at", "state")
    }
    untagged = fields.pop("untagged", None)
    try:
        edited_at = envelope["edited_at"]
        present = _IS_PRESENT[envelope["state"]]
        budget = read_budget(fields, defaults=defaults) if present else None
        return BudgetDocument(
            key=parse_key(fields, defaults=defaults),
            version=envelope["version"],
            request_id=envelope["request_id"],
            edited_at=datetime.fromisoformat(edited_at) if edited_at else None,
            budget=budget,
            removed_from=Delivery.SPOKE if budget else parse_delivery(fields.get("delivery")),
            untagged=None if untagged is None else bool(untagged),
        )
    except (KeyError, ValueError) as error:
        raise RejectedInput(
            f"the parameter's document is not valid: {error}", code="invalid_document", value=text
        ) from None


def row_of(document: BudgetDocument) -> dict[str, object] | None:
    """A row of the table that asks for what a document asks for; None where that is an absence."""
    if document.budget is None:
        return None
    fields = _content(document.budget, document.removed_from)
    del fields["state"]
    return {
        "account_id": document.key.account_id,
        "budget_name": document.key.budget_name,
        **{name: NONE if value == [] else value for name, value in fields.items()},
    }


def is_removal(text: str) -> bool:
    """Whether a document asks for the absence of its budget; False where it cannot be read."""
    try:
        return decode_document(text).budget is None
    except RejectedInput:
        return False


_IS_PRESENT: Final[Mapping[str, bool]] = {"present": True, "absent": False}


def _content(budget: Budget | None, removed_from: Delivery) -> dict[str, object]:
    if budget is None:
        in_payer = removed_from is Delivery.PAYER
        return {"state": "absent", **({"delivery": removed_from.value} if in_payer else {})}
    return {
        "state": "present",
        **{
            one.name: one.encode(value)
            for one in ATTRIBUTES
            for value in [getattr(budget, one.name)]
            if not one.omit_default or value != one.parse(None)
        },
    }


def _canonical(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
