from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from finops.invoices.domain import Invoice, OtherField, Reading
from finops.invoices.vendors.checks import vendor_issues
from finops.invoices.vendors.evidence import (
    NAMED_CURRENCY,
    PRINTED_ACCOUNT,
    PRINTED_DOMAIN,
    PRINTED_IBAN,
    evidence_of,
)
from finops.invoices.vendors.recognition import Recognition, recognise
from finops.invoices.vendors.settling import settled
from finops.invoices.vendors.vendor import Fact, FactKind, Vendor, vendor_id
from tests.invoices.builders import invoice

NOW = datetime(2026, 4, 1, tzinfo=UTC)
OURS, THEIRS = "DE89370400440532013000", "GB82WEST12345698765432"
VAT = "DE123456789"


def vendor(name: str = "Acme GmbH", **facts: str) -> Vendor:
    """A vendor with facts that are known; several values are divided by spaces."""
    return Vendor(
        id=vendor_id(name),
        name=name,
        created_at=NOW,
        updated_at=NOW,
        facts=tuple(
            Fact(kind=FactKind(kind), value=one, set_by="ann", set_at=NOW)
            for kind, values in facts.items()
            for one in values.split(";")
        ),
    )


ACME = vendor(vat_id=VAT, iban=OURS, domain="acme.example", currency="EUR", date_order="DMY")


def shows(*others: tuple[str, str], **values: str) -> Invoice:
    return replace(
        invoice(**values), other=tuple(OtherField(type=kind, text=text) for kind, text in others)
    )


def told(read: Invoice, *vendors: Vendor, page_ibans: tuple[str, ...] = ()) -> Recognition:
    evidence = evidence_of(read, page_ibans)
    return recognise(
        evidence,
        {key: [one for one in vendors if key in one.keys] for key in evidence.all_keys},
    )


def completed(read: Invoice, *vendors: Vendor) -> Invoice:
    return settled(read, told(read, *vendors), evidence_of(read))


def _currency(value: str, text: str, doubt: str) -> Reading:
    return Reading(value=value, text=text, doubt=doubt)


def codes(read: Invoice, *vendors: Vendor, page_ibans: tuple[str, ...] = ()) -> list[str]:
    found = told(read, *vendors, page_ibans=page_ibans)
    return [one.code for one in vendor_issues(read, found, page_ibans)]


class TestRecognition:
    @pytest.mark.parametrize(
        ("read", "by"),
        [
            (shows(vendor="", vendor_tax_id="DE 123 456 789"), [FactKind.VAT_ID]),
            (shows(vendor="", iban="de89 3704 0044 0532 0130 00"), [FactKind.IBAN]),
            (shows((PRINTED_IBAN, OURS), vendor=""), [FactKind.IBAN]),
            (shows((PRINTED_DOMAIN, "ACME.example"), vendor=""), [FactKind.DOMAIN]),
            (shows(vendor="ACME"), [FactKind.ALIAS]),
            (
                shows(vendor="Acme GmbH", vendor_tax_id=VAT, iban=OURS),
                [FactKind.VAT_ID, FactKind.IBAN, FactKind.ALIAS],
            ),
        ],
    )
    def test_a_vendor_is_known_by_each_kind_of_evidence(
        self, read: Invoice, by: list[FactKind]
    ) -> None:
        found = told(read, ACME, vendor("Other AG", vat_id="DE999999999"))
        assert found.vendor == ACME
        assert [*found.by] == by
        assert not found.doubt

    def test_another_legal_form_is_another_vendor(self) -> None:
        assert told(shows(vendor="Acme AG"), ACME).vendor is None

    @pytest.mark.parametrize("name", ["\u0410cme GmbH", "Acm\u0435 GmbH", "Acme Gmb\u0397"])
    def test_a_name_that_only_looks_like_another_is_doubt(self, name: str) -> None:
        """With a Cyrillic A or e, or a Greek H: the people who pay see Acme GmbH."""
        assert codes(shows(vendor=name, iban=THEIRS), ACME) == ["vendor_uncertain"]
        assert not told(shows(vendor=name), vendor(name)).doubt
        assert not told(shows(vendor="Газпром"), ACME).doubt

    def test_evidence_of_two_vendors_is_doubt(self) -> None:
        other = vendor("Other AG", iban=THEIRS)
        found = told(shows(vendor="", vendor_tax_id=VAT, iban=THEIRS), ACME, other)
        assert found.vendor is None
        assert found.doubt == "it has a tax id of Acme GmbH; an account of Other AG"
        assert codes(shows(vendor="", vendor_tax_id=VAT, iban=THEIRS), ACME, other) == [
            "vendor_uncertain"
        ]

    def test_a_shared_account_is_told_by_the_name(self) -> None:
        """A bank that buys claims is paid for many."""
        other = vendor("Other AG", iban=OURS)
        assert told(shows(vendor="Other AG", iban=OURS), ACME, other).vendor == other
        assert told(shows(vendor="Nobody Ltd", iban=OURS), ACME, other).doubt

    @pytest.mark.parametrize(
        "values",
        [
            {"vendor": "Somebody Else Ltd", "vendor_tax_id": VAT},
            {"vendor": "Somebody Else Ltd", "iban": OURS},
            {"vendor": "Acme GmbH", "vendor_tax_id": "DE111111111", "iban": OURS},
        ],
    )
    def test_what_speaks_against_the_vendor_goes_to_a_person(self, values: dict[str, str]) -> None:
        assert "vendor_contradicted" in codes(shows(**values), ACME)
        assert not told(shows(**values), ACME).is_strong

    def test_the_customer_is_not_the_vendor(self) -> None:
        """A company of ours sells, too; what is printed of it is taken for the vendor's."""
        read = shows((PRINTED_DOMAIN, "acme.example"), vendor="", vendor_tax_id=VAT, iban=OURS)
        ours = replace(read, readings={**read.readings, "customer": Reading(value="ACME GmbH")})
        assert "vendor" in completed(read, ACME).readings
        assert "vendor" not in completed(ours, ACME).readings
        assert "vendor_contradicted" in codes(ours, ACME)

    def test_a_tax_id_that_is_also_the_customers_tells_nobody(self) -> None:
        read = shows(vendor="", vendor_tax_id=VAT, customer_tax_id="DE 123 456 789")
        assert told(read, ACME) == Recognition()

    @pytest.mark.parametrize(
        ("printed", "known"),
        [("DE123456789", True), ("123 456 789", True), ("GB123456789", False)],
    )
    def test_the_same_digits_of_another_country_are_another_tax_id(
        self, printed: str, known: bool
    ) -> None:
        assert (told(shows(vendor="", vendor_tax_id=printed), ACME).vendor == ACME) is known

    def test_a_name_alone_is_not_enough_of_a_vendor_with_better_evidence(self) -> None:
        assert not told(shows(vendor="Acme GmbH"), ACME).is_strong
        assert told(shows(vendor="Acme GmbH"), vendor(currency="EUR")).is_strong

    def test_a_document_with_thousands_of_addresses_asks_for_few_keys(self) -> None:
        many = [(PRINTED_DOMAIN, f"d{number}.example") for number in range(5000)]
        assert len(evidence_of(shows(*many)).all_keys) < 50


class TestBankDetails:
    def test_the_known_account_is_no_issue(self) -> None:
        assert codes(shows(vendor_tax_id=VAT, iban=OURS), ACME) == []

    @pytest.mark.parametrize(
        "read",
        [
            shows(iban=THEIRS),
            shows(iban=THEIRS, vendor_tax_id=VAT),
            shows((PRINTED_IBAN, THEIRS), iban=OURS),
            shows(("BT-84", THEIRS), iban=OURS),
            shows((PRINTED_ACCOUNT, "20000012345678"), iban=OURS),
            shows((PRINTED_ACCOUNT, "20000012345678")),
            shows(iban="20000012345678"),
        ],
        ids=["name", "tax id", "printed beside", "XML, beside", "sort code", "alone", "no IBAN"],
    )
    def test_another_account_always_goes_to_a_person(self, read: Invoice) -> None:
        assert codes(read, ACME) == ["bank_details_changed"]

    def test_also_where_a_person_has_corrected_the_field_or_the_terms_name_it(self) -> None:
        corrected = shows()
        printed = Reading(value=OURS, text=f"IBAN: {THEIRS}", source="review")
        corrected = replace(corrected, readings={**corrected.readings, "iban": printed})
        terms = shows(iban=OURS, payment_terms=f"30 days, to {THEIRS.lower()}")
        for read in (corrected, terms):
            assert codes(read, ACME) == ["bank_details_changed"]

    def test_also_beside_thousands_of_others(self) -> None:
        many = [(PRINTED_IBAN, OURS)] * 5000
        assert "bank_details_changed" in codes(shows(*many, (PRINTED_IBAN, THEIRS)), ACME)

    def test_the_first_account_of_a_vendor_is_confirmed_by_a_person(self) -> None:
        assert codes(shows(iban=THEIRS), vendor(vat_id=VAT)) == ["bank_details_new"]

    def test_an_account_that_was_revoked_is_no_longer_known(self) -> None:
        fact = ACME.fact(FactKind.IBAN, OURS)
        assert fact
        revoked = ACME.with_fact(replace(fact, revoked_by="ann", revoked_at=NOW))
        assert codes(shows(iban=OURS), revoked) == ["bank_details_new"]

    def test_nobody_known_has_no_details_to_change(self) -> None:
        assert codes(shows(iban=THEIRS, vendor="Nobody Ltd"), ACME) == []

    def test_an_account_on_the_page_beside_the_one_of_the_xml(self) -> None:
        read = shows(vendor="Nobody Ltd", iban=OURS)
        assert codes(read, page_ibans=(THEIRS,)) == ["page_differs_from_xml"]
        known = vendor(iban=f"{OURS};{THEIRS}")
        assert codes(shows(iban=OURS), known, page_ibans=(THEIRS,)) == []
        assert codes(shows(iban=OURS), ACME, page_ibans=(THEIRS,)) == [
            "page_differs_from_xml",
            "bank_details_changed",
        ]

    def test_a_page_with_an_account_that_its_xml_leaves_out(self) -> None:
        read = shows(vendor="Nobody Ltd")
        assert codes(read, page_ibans=(THEIRS,)) == []
        assert codes(shows(), ACME, page_ibans=(THEIRS,)) == ["bank_details_changed"]


class TestSettling:
    def test_a_vendor_that_no_name_tells_is_named_by_two_pieces_of_evidence(self) -> None:
        one = completed(shows(vendor="", vendor_tax_id=VAT), ACME)
        assert "vendor" not in one.readings
        two = completed(shows(vendor="", vendor_tax_id=VAT, iban=OURS), ACME)
        assert two.readings["vendor"] == Reading(value="Acme GmbH", source="vendor-master")

    def test_a_currency_that_stands_nowhere(self) -> None:
        read = completed(shows(vendor_tax_id=VAT, currency=""), ACME)
        assert read.readings["currency"] == Reading(value="EUR", source="vendor-master")

    @pytest.mark.parametrize(
        "read",
        [
            shows(vendor_tax_id=VAT, currency="", iban=THEIRS),
            shows((PRINTED_ACCOUNT, "20000012345678"), vendor_tax_id=VAT, currency=""),
            shows((NAMED_CURRENCY, "USD"), vendor_tax_id=VAT, currency=""),
            shows(vendor="Acme GmbH", currency=""),
            shows((PRINTED_DOMAIN, "acme.example"), currency=""),
            shows(vendor="Somebody Else Ltd", vendor_tax_id=VAT, currency=""),
            shows(vendor_tax_id="DE111111111", currency=""),
        ],
        ids=["IBAN", "account", "other currency", "name", "domain", "other name", "other tax id"],
    )
    def test_who_only_claims_to_be_a_vendor_gets_no_currency(self, read: Invoice) -> None:
        assert "currency" not in completed(read, ACME).readings

    @pytest.mark.parametrize(
        ("printed", "wanted"),
        [
            (_currency("USD", "$ 10", "several currencies use its symbol (USD, CAD), and"), "CAD"),
            (_currency("CAD", "CAD", "the document names it, but not next to the total"), "CAD"),
            (_currency("USD", "USD", "the document names it, but not next to the total"), "USD"),
            (_currency("USD", "$ 10", "there are amounts in CAD, USD"), "USD"),
            (
                _currency("USD", "US$ 10", "several currencies use its symbol (USD, CAD), and"),
                "USD",
            ),
            (_currency("USD", "USD 10", ""), "USD"),
        ],
    )
    def test_a_symbol_of_several_currencies(self, printed: Reading, wanted: str) -> None:
        known = vendor(vat_id=VAT, currency="CAD")
        read = shows(vendor_tax_id=VAT)
        read = replace(read, readings={**read.readings, "currency": printed})
        found = completed(read, known).readings["currency"]
        assert found.value == wanted
        assert bool(found.doubt) == (bool(printed.doubt) and found.source != "vendor-master")
        assert (found.source == "vendor-master") == (wanted == "CAD")

    def test_a_second_currency_that_may_become_known_rules_both_out(self) -> None:
        pending = Fact(kind=FactKind.CURRENCY, value="USD")
        read = shows(vendor_tax_id=VAT, currency="")
        assert "currency" not in completed(read, ACME.with_fact(pending)).readings

    @pytest.mark.parametrize(
        ("text", "doubt", "order", "wanted"),
        [
            ("03/04/2026", "can mean 2026-03-04 or 2026-04-03", "DMY", "2026-04-03"),
            ("03/04/2026", "can mean 2026-04-03 or 2026-03-04", "MDY", "2026-03-04"),
            ("03/04/26", "can mean 2026-03-04 or 2026-04-03", "DMY", ""),
            ("03/04/2026", "it contains several dates", "DMY", ""),
            ("03/04/2026", "the document shows 2026-03-04 and also 2026-05-01", "DMY", ""),
            ("3 April 2026", "", "DMY", ""),
        ],
    )
    def test_a_date_in_one_of_two_orders(
        self, text: str, doubt: str, order: str, wanted: str
    ) -> None:
        known = vendor(vat_id=VAT, date_order=order)
        printed = Reading(value="2026-03-04", text=text, doubt=doubt)
        read = shows(vendor_tax_id=VAT)
        read = replace(read, readings={**read.readings, "invoice_date": printed})
        found = completed(read, known).readings["invoice_date"]
        assert found == (
            replace(printed, value=wanted, doubt="", source="vendor-master") if wanted else printed
        )

    def test_a_date_that_another_one_contradicts_stays_open(self) -> None:
        printed = Reading(
            value="2026-03-04", text="03/04/2026", doubt="can mean 2026-03-04 or 2026-04-03"
        )
        read = replace(
            shows(vendor_tax_id=VAT),
            other=(
                OtherField(type="INVOICE_RECEIPT_DATE", text="01/05/2026", reason="contradicts"),
            ),
        )
        read = replace(read, readings={**read.readings, "invoice_date": printed})
        assert completed(read, ACME).readings["invoice_date"] == printed

    @pytest.mark.parametrize(
        ("other", "form", "settles"),
        [
            ("100234", "RE-9999-99999", True),
            ("Kundennr. 100234", "RE-9999-99999", True),
            ("RE-2026-00018", "RE-9999-99999", False),
            ("Rechnung RE-2026-00018", "RE-9999-99999", False),
            ("100234", "R-99", False),
        ],
    )
    def test_a_number_of_the_vendors_form_beside_others(
        self, other: str, form: str, settles: bool
    ) -> None:
        doubt = f"the document shows RE-2026-00017 and also {other}"
        read = replace(
            shows(vendor_tax_id=VAT),
            other=(OtherField(type="INVOICE_RECEIPT_ID", text=other, reason="contradicts"),),
        )
        number = Reading(value="RE-2026-00017", doubt=doubt)
        read = replace(read, readings={**read.readings, "invoice_number": number})
        known = vendor(vat_id=VAT, number_form=form)
        found = completed(read, known).readings["invoice_number"]
        assert found.value == "RE-2026-00017"
        assert (not found.doubt) is settles

    def test_the_first_of_several_accounts_where_all_are_known(self) -> None:
        several = Reading(value=OURS, doubt=f"it is the first of several: {OURS}, {THEIRS}")
        read = shows(("BT-84", THEIRS), vendor_tax_id=VAT)
        read = replace(read, readings={**read.readings, "iban": several})
        assert completed(read, ACME) == read
        known = vendor(vat_id=VAT, iban=f"{OURS};{THEIRS}")
        assert not completed(read, known).readings["iban"].doubt

    def test_a_printed_name_that_other_evidence_confirms_is_certain(self) -> None:
        read = completed(shows(vendor="ACME", vendor_tax_id=VAT), ACME)
        assert (read.text("vendor"), read.readings["vendor"].confidence) == ("ACME", 100.0)
        unconfirmed = completed(shows(vendor="Acme GmbH"), vendor(currency="EUR"))
        assert unconfirmed.readings["vendor"].confidence == 95.0
