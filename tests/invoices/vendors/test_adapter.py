"""The table of vendors, in moto's AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto import mock_aws

from finops.invoices.adapters.vendors import DynamoVendors
from finops.invoices.vendors.vendor import Fact, FactKind, Vendor
from finops.shared.errors import TransientFailure
from tests.invoices.resources import VENDORS, make_vendors_table
from tests.invoices.vendors.test_recognition import ACME, NOW, OURS, VAT, vendor

KEYS = (f"iban#{OURS}", "vat_id#123456789", "alias#acme", "domain#acme.example", "iban#NOBODY")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoVendors]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield DynamoVendors(make_vendors_table(), VENDORS)


def saved(store: DynamoVendors, one: Vendor, before: Vendor | None = None) -> Vendor:
    told = one.told(before, actor="ann", why="entered")
    store.save(told, before)
    return told


def test_a_vendor_is_found_by_its_id_and_each_key(store: DynamoVendors) -> None:
    known = saved(store, ACME)
    assert store.find("acmegmbh") == known
    assert store.find("nobody") is None
    found = store.having(KEYS)
    assert [found[key] for key in KEYS] == [[known]] * 4 + [[]]
    assert [*store.all()] == [known]


def test_a_key_may_be_several_vendors(store: DynamoVendors) -> None:
    """A bank that buys claims is paid for many."""
    first = saved(store, ACME)
    second = saved(store, vendor("Other AG", iban=OURS))
    assert store.having([f"iban#{OURS}"])[f"iban#{OURS}"] == [first, second]
    store.remove(first)
    assert store.having([f"iban#{OURS}"])[f"iban#{OURS}"] == [second]
    assert [*store.all()] == [second]


def test_a_revoked_fact_no_longer_finds_the_vendor(store: DynamoVendors) -> None:
    known = saved(store, ACME)
    fact = known.fact(FactKind.VAT_ID, VAT)
    assert fact
    revoked = known.with_fact(replace(fact, revoked_by="ann", revoked_at=NOW))
    changed = saved(store, revoked, known)
    assert store.having(["vat_id#123456789"]) == {"vat_id#123456789": []}
    assert store.having(["alias#acme"]) == {"alias#acme": [changed]}


def test_of_two_writers_the_second_is_refused_and_leaves_nothing(store: DynamoVendors) -> None:
    known = saved(store, ACME)
    one, two = (
        known.with_fact(Fact(kind=FactKind.ALIAS, value=name, set_by="ann", set_at=NOW))
        for name in ("One", "Two")
    )
    saved(store, one, known)
    with pytest.raises(TransientFailure) as error:
        saved(store, two, known)
    assert error.value.code == "changed_meanwhile"
    assert store.having(["alias#two"]) == {"alias#two": []}
    with pytest.raises(TransientFailure):
        saved(store, ACME)
    with pytest.raises(TransientFailure):
        store.remove(known)
    assert store.find("acmegmbh")


def test_what_a_document_says_is_a_key_of_any_length(store: DynamoVendors) -> None:
    """DynamoDB refuses keys above 2,048 bytes."""
    long = vendor("名" * 5000)
    assert saved(store, long) == store.find(long.id)
    assert [*store.having([*long.keys]).values()] == [[store.find(long.id)]]
