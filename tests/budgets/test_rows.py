from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops.budgets.domain import NotificationType, Threshold, TimeUnit
from finops.budgets.rows import editor_of, parse_budget, read_budget
from finops.shared.errors import RejectedInput

ACCOUNT = "222222222222"


def row(**attributes: object) -> dict[str, object]:
    return {"account_id": ACCOUNT, "amount": Decimal(100), **attributes}


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        (Decimal("100"), "100.00"),
        (Decimal("1E+3"), "1000.00"),
        (250, "250.00"),
        ("250", "250.00"),
        (" 250.5 ", "250.50"),
        (".5", "0.50"),
        ("+7.", "7.00"),
        ("100.10000", "100.10"),
        ("0.500", "0.50"),
        ("+0.100", "0.10"),
        ("1234.500", "1234.50"),
        (Decimal("1000000000000"), "1000000000000.00"),
    ],
)
def test_accepts_amounts_as_people_type_them(typed: object, amount: str) -> None:
    assert str(parse_budget(row(amount=typed)).amount) == amount


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (None, "missing_amount"),
        ("", "invalid_amount"),
        ("abc", "invalid_amount"),
        ("1,000", "invalid_amount"),
        ("$100", "invalid_amount"),
        ("1e3", "invalid_amount"),
        ("NaN", "invalid_amount"),
        (Decimal("NaN"), "invalid_amount"),
        (Decimal("Infinity"), "invalid_amount"),
        (100.0, "invalid_amount"),
        (True, "invalid_amount"),
        ([100], "invalid_amount"),
        (0, "amount_not_positive"),
        ("-5", "amount_not_positive"),
        (Decimal("1000000000000.01"), "amount_too_large"),
        (Decimal("9E+125"), "amount_too_large"),
        ("9" * 5000, "amount_too_large"),
        ("100.005", "amount_too_precise"),
        ("1.500", "amount_too_precise"),
        (" 10.000 ", "amount_too_precise"),
    ],
)
def test_refuses_an_amount_with_its_value_and_a_remedy(typed: object, code: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(amount=typed))
    assert refused.value.code == code
    assert refused.value.field == "amount"
    assert refused.value.value is typed
    assert "1250.50" in refused.value.remedy
    assert len(str(refused.value)) < 300


def test_fills_in_what_a_row_leaves_out() -> None:
    budget = parse_budget(row())
    assert budget.key.budget_name == "monthly-total"
    assert (budget.currency, budget.time_unit) == ("USD", TimeUnit.MONTHLY)
    assert budget.thresholds is None
    assert budget.emails is None
    assert budget.cost_filters == {}


@pytest.mark.parametrize("account", ["", "22", "22222222222a", 222222222222, None, "2" * 13])
def test_refuses_what_is_no_account_id(account: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(account_id=account))
    assert refused.value.code == "invalid_account_id"


@pytest.mark.parametrize("name", ["", "a/b", "a b", ".hidden", "x" * 101, 5, "a:b", "Büro"])
def test_refuses_a_name_that_cannot_be_a_parameter(name: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(budget_name=name))
    assert refused.value.code == "invalid_budget_name"


@pytest.mark.parametrize(
    ("key", "unseen"),
    [
        ({"budget_name": "team "}, "has a space before or after it"),
        ({"budget_name": "\tteam"}, "has a space before or after it"),
        ({"budget_name": "te\u200bam"}, "has the invisible character U+200B (zero width space)"),
        ({"budget_name": "team\u00a0a"}, "has the invisible character U+00A0 (no-break space)"),
        ({"budget_name": "te\x07am"}, "has the invisible character U+0007. Use"),
        ({"account_id": f"{ACCOUNT} "}, "has a space before or after it"),
        ({"account_id": f"\ufeff{ACCOUNT}"}, "U+FEFF (zero width no-break space)"),
        ({"account_id": "ou-ab12-cd34ef56 "}, "has a space before or after it"),
        ({"account_id": "ou-ab12-cd34\u00adef56"}, "U+00AD (soft hyphen)"),
        ({"account_id": "* "}, "has a space before or after it"),
    ],
)
def test_what_nobody_sees_in_a_key_is_named_with_the_remedy(
    key: dict[str, object], unseen: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(**key), defaults=True)
    assert refused.value.field in key
    assert unseen in refused.value.explanation
    assert "remove it, and write one without that" in refused.value.remedy


def test_a_space_within_a_name_is_seen() -> None:
    with pytest.raises(RejectedInput, match="'team a' is not a valid budget name"):
        parse_budget(row(budget_name="team a"))


@pytest.mark.parametrize(
    "typed",
    [
        [{"type": "ACTUAL", "percent": Decimal(80)}, {"type": "FORECASTED", "percent": 100}],
        [{"percent": "80.0"}, {"type": "forecasted", "percent": "100"}],
        ["FORECASTED:100", "actual:80"],
        "ACTUAL:80, FORECASTED:100",
        "ACTUAL:80%; FORECASTED: 100 %",
        {"ACTUAL:80", "FORECASTED:100", "ACTUAL:80.00"},
    ],
)
def test_reads_thresholds_however_they_are_written(typed: object) -> None:
    assert parse_budget(row(thresholds=typed)).thresholds == (
        Threshold(type=NotificationType.ACTUAL, percent=Decimal(80)),
        Threshold(type=NotificationType.FORECASTED, percent=Decimal(100)),
    )


@pytest.mark.parametrize("typed", ["FOO", "80", ["ACTUAL:80", "FORECASTED"]])
def test_a_threshold_without_a_percent_is_refused_by_its_form(typed: object) -> None:
    with pytest.raises(RejectedInput, match="which is not TYPE:PERCENT") as refused:
        parse_budget(row(thresholds=typed))
    assert refused.value.code == "invalid_thresholds"


@pytest.mark.parametrize("typed", ["none", " None ", ["none"], {"NONE"}])
def test_the_word_none_means_no_alerts_and_no_emails(typed: object) -> None:
    budget = parse_budget(row(thresholds=typed, emails=typed))
    assert (budget.thresholds, budget.emails) == ((), ())


@pytest.mark.parametrize("typed", ["", "  ", None])
def test_a_blank_text_of_alerts_leaves_the_defaults(typed: object) -> None:
    budget = parse_budget(row(thresholds=typed, emails=typed))
    assert (budget.thresholds, budget.emails) == (None, None)


@pytest.mark.parametrize("typed", [[], ",", " , ", [""], ["none", "none"]])
@pytest.mark.parametrize("attribute", ["thresholds", "emails"])
def test_no_alerts_without_the_word_is_refused(attribute: str, typed: object) -> None:
    with pytest.raises(RejectedInput, match="or none for no") as refused:
        parse_budget(row(**{attribute: typed}))
    assert refused.value.field == attribute


@pytest.mark.parametrize(
    ("typed", "percent"),
    [("33.333333333333333333333", "33.33"), ("66.665", "66.67"), ("80.00", "80"), (".01", "0.01")],
)
def test_a_percentage_has_two_decimals(typed: str, percent: str) -> None:
    for written in (typed, Decimal(typed)):
        budget = parse_budget(row(thresholds=[{"type": "ACTUAL", "percent": written}]))
        assert [str(one.percent) for one in budget.thresholds or ()] == [percent]


@pytest.mark.parametrize(
    "typed",
    [
        5,
        {"type": "ACTUAL", "percent": 80},
        [80],
        ["ACTUAL"],
        ["ACTUAL:eighty"],
        ["GUESSED:80"],
        [{"type": "ACTUAL", "percent": 0}],
        [{"type": "ACTUAL", "percent": "0.004"}],
        [{"type": "ACTUAL", "percent": -1}],
        [{"type": "ACTUAL", "percent": 1001}],
        [{"type": "ACTUAL", "percent": 80, "extra": 1}],
        [f"ACTUAL:{percent}" for percent in range(1, 12)],
    ],
)
def test_refuses_thresholds_that_aws_would_not_take(typed: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(thresholds=typed))
    assert refused.value.code == "invalid_thresholds"


@pytest.mark.parametrize(
    "typed",
    [
        ["b@example.com", "a@example.com"],
        {"a@example.com", "b@example.com"},
        "a@example.com, b@example.com",
    ],
)
def test_reads_emails_however_they_are_written(typed: object) -> None:
    assert parse_budget(row(emails=typed)).emails == ("a@example.com", "b@example.com")


@pytest.mark.parametrize(
    "typed", [5, ["not-an-address"], ["a@b"], [5], [f"a{n}@example.com" for n in range(11)]]
)
def test_refuses_emails_that_cannot_be_mailed(typed: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(emails=typed))
    assert refused.value.code == "invalid_emails"


def test_reads_cost_filters_with_one_value_or_many() -> None:
    budget = parse_budget(
        row(cost_filters={"Service": "Amazon S3, Glacier", "Operation": ["b", "a"]})
    )
    assert budget.cost_filters == {"Operation": ("a", "b"), "Service": ("Amazon S3, Glacier",)}


def test_a_tag_is_its_key_and_its_value() -> None:
    tags = ["user:Team$Sales", "user:Team$"]
    budget = parse_budget(row(cost_filters={"TagKeyValue": tags}))
    assert budget.cost_filters == {"TagKeyValue": ("user:Team$", "user:Team$Sales")}


def test_spaces_around_the_value_of_a_filter_count_nothing_and_are_left_out() -> None:
    filters = {"Service": " Amazon S3 ", "LinkedAccount": [f"{ACCOUNT}\n"]}
    budget = parse_budget(row(cost_filters=filters))
    assert budget.cost_filters == {"LinkedAccount": (ACCOUNT,), "Service": ("Amazon S3",)}


def test_a_tag_may_hold_any_space() -> None:
    tag = "user:Cost centre$ A\u00a01 "
    budget = parse_budget(row(cost_filters={"TagKeyValue": tag}))
    assert budget.cost_filters == {"TagKeyValue": (tag,)}


@pytest.mark.parametrize(
    ("name", "typed", "reason"),
    [
        ("Service", ["Amazon S3", "Amazon\u00a0EC2"], "U+00A0"),
        ("Service", "Amazon\u200b S3", "U+200B"),
        ("Region", "eu-west-1\ufeff", "U+FEFF"),
        ("TagKeyValue", ["user:Team$Sales", "user:Te\u200bam$Sales"], "U+200B"),
        ("TagKeyValue", ["user:Team$Sales", "user:Team"], "'user:Team', which is not KEY$VALUE"),
        ("Region", "eu-west-1, us-east-1", "has a comma: write a list"),
        ("InstanceType", "m5.large,m5.xlarge", "has a comma: write a list"),
        ("LinkedAccount", f"{ACCOUNT},333333333333", "is not an AWS account id"),
        ("LinkedAccount", "22222222222", "is not an AWS account id"),
        ("Region", ["eu-west-1", "EU (Ireland)"], "is not the code of a region"),
        ("Region", "eu-west-1a", "is not the code of a region"),
        ("Region", "eu-wset-1", "is not the code of a region"),
        ("Region", "euwest1", "is not the code of a region"),
        ("TagKeyValue", "user:Team$Sales,user:Team$Ops", "has a comma before another tag"),
        ("TagKeyValue", "User:Team$Sales", "begins with 'User:': write user:"),
        ("TagKeyValue", " user:Team$Sales", "begins with 'user:': write user:"),
        ("TagKeyValue", "user :Team$Sales", "begins with 'user:': write user:"),
        ("TagKeyValue", "AWS:createdBy$x", "begins with 'AWS:': write aws:"),
        ("TagKeyValue", "user:$Sales", "is not KEY$VALUE"),
        ("TagKeyValue", "user: $Sales", "is not KEY$VALUE"),
    ],
)
def test_a_filter_that_would_count_nothing_is_refused_with_its_value(
    name: str, typed: object, reason: str
) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(cost_filters={name: typed}))
    assert refused.value.code == "invalid_cost_filters"
    assert f"has for {name} the value" in refused.value.message
    assert reason in refused.value.message


@pytest.mark.parametrize(
    ("name", "typed", "in_aws"),
    [
        ("Region", "EU-West-1", "eu-west-1"),
        ("Region", "us-gov-EAST-1", "us-gov-east-1"),
        ("Region", "ap-southeast-7", "ap-southeast-7"),
        ("Region", "cn-northwest-1", "cn-northwest-1"),
        ("Region", "Global", "global"),
        ("Region", "noregion", "NoRegion"),
        ("AZ", "EU-WEST-1A", "eu-west-1a"),
        ("AZ", "us-west-2-LAX-1a", "us-west-2-lax-1a"),
        ("AZ", "NoAZ", "NoAZ"),
        ("TagKeyValue", "Team$Sales", "user:Team$Sales"),
        ("TagKeyValue", "Cost centre$", "user:Cost centre$"),
        ("TagKeyValue", "team:lead$Ann", "user:team:lead$Ann"),
        ("TagKeyValue", "aws:createdBy$IAMUser:x:ann", "aws:createdBy$IAMUser:x:ann"),
        ("TagKeyValue", "user:user:x$y", "user:user:x$y"),
    ],
)
def test_a_filter_that_can_mean_one_value_only_has_it_as_aws_compares_it(
    name: str, typed: str, in_aws: str
) -> None:
    budget = parse_budget(row(cost_filters={name: [typed, in_aws]}))
    assert budget.cost_filters == {name: (in_aws,)}
    assert parse_budget(row(cost_filters=budget.cost_filters)) == budget


@pytest.mark.parametrize("named", [["333333333333"], [ACCOUNT, "333333333333"]])
def test_a_budget_of_an_account_counts_no_other_account(named: list[str]) -> None:
    filters = {"LinkedAccount": named}
    with pytest.raises(RejectedInput, match="counts that account's costs only") as refused:
        parse_budget(row(cost_filters=filters))
    assert (refused.value.code, refused.value.field) == ("invalid_cost_filters", "cost_filters")
    assert "333333333333" in refused.value.message
    with pytest.raises(RejectedInput, match="a budget in each account counts"):
        parse_budget(row(account_id="*", cost_filters=filters), defaults=True)
    assert parse_budget(row(cost_filters={"LinkedAccount": ACCOUNT})).counts_whole_account


def test_what_was_published_for_other_accounts_is_still_read() -> None:
    """In the management account such a budget counts them."""
    filters = {"LinkedAccount": ["333333333333"]}
    assert read_budget(row(cost_filters=filters)).cost_filters == {
        "LinkedAccount": ("333333333333",)
    }


@pytest.mark.parametrize(
    "typed",
    [
        ".ann@example.com",
        "ann.@example.com",
        "an..n@example.com",
        "ann@-example.com",
        "ann@example-.com",
        "ann@example..com",
        "ann@example.com.",
        "ann@192.168.0.1",
        "ann@[192.168.0.1]",
        "ann(cfo)@example.com",
        "mailto:ann@example.com",
        f"{'a' * 65}@example.com",
        f"ann@{'a' * 64}.com",
        f"ann@{'a.' * 125}com",
    ],
)
def test_an_address_that_no_mail_can_have_is_refused(typed: str) -> None:
    with pytest.raises(RejectedInput, match="which is not an email address"):
        parse_budget(row(emails=[typed]))


@pytest.mark.parametrize(
    "typed",
    ["o'hara+aws@example.com", "a.b-c_d@sub.example.co", f"{'a' * 64}@x1.io", "a@xn--bcher-kva.ch"],
)
def test_an_odd_address_that_mail_can_have_is_taken(typed: str) -> None:
    assert parse_budget(row(emails=typed)).emails == (typed,)


@pytest.mark.parametrize("typed", ["fin\u200bance@example.com", "fin\u00adance@example.com"])
def test_an_address_with_a_character_that_nobody_sees_is_refused(typed: str) -> None:
    with pytest.raises(RejectedInput, match="has the invisible character U") as refused:
        parse_budget(row(emails=["a@example.com", typed]))
    assert refused.value.field == "emails"


def test_addresses_that_differ_in_case_are_one() -> None:
    budget = parse_budget(row(emails="fin@example.com, Fin@Example.com"))
    assert len(budget.emails or ()) == 1


@pytest.mark.parametrize(
    "typed",
    [
        5,
        [],
        {"Colour": ["red"]},
        {"Region": []},
        {"Region": [5]},
        {"Region": ""},
        {"Region": ["eu-west-1", " "]},
        {"TagKeyValue": ["user:Team"]},
        {"TagKeyValue": "$Sales"},
    ],
)
def test_refuses_cost_filters_that_aws_does_not_know(typed: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(cost_filters=typed))
    assert refused.value.code == "invalid_cost_filters"


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"currency": "EUR"}, "unsupported_currency"),
        ({"currency": 5}, "unsupported_currency"),
        ({"time_unit": "HOURLY"}, "invalid_time_unit"),
        ({"time_unit": 5}, "invalid_time_unit"),
        ({"tresholds": "ACTUAL:80"}, "unknown_attribute"),
        ({"FilterExpression": {"Dimensions": {"Key": "REGION"}}}, "unknown_attribute"),
        ({"cost_filter": {"Service": "Amazon S3"}}, "unknown_attribute"),
        ({"email": "a@example.com"}, "unknown_attribute"),
        ({"timeunit": "MONTHLY"}, "unknown_attribute"),
        ({"Currency": "USD"}, "unknown_attribute"),
        ({"Currency": "EUR"}, "unknown_attribute"),
        ({"CURRENCY": "five"}, "unknown_attribute"),
        ({"currency": None, "Currency": "EUR"}, "unknown_attribute"),
        ({"currency": "USD", "Currency": "EUR"}, "unknown_attribute"),
        ({"curency": "EUR"}, "unknown_attribute"),
        ({"Delivery": "from the payer"}, "unknown_attribute"),
        ({"Time Unit": "weekly"}, "unknown_attribute"),
        ({"time-unit": "MONTHLY"}, "unknown_attribute"),
        ({"Cost Filters": "Service=Amazon S3"}, "unknown_attribute"),
        ({"Amount": 12}, "unknown_attribute"),
        ({"amount ": "12"}, "unknown_attribute"),
        ({"USD": "1200"}, "unknown_attribute"),
        ({"Budget Name": "team"}, "unknown_attribute"),
        ({"tresholds": "80 %"}, "unknown_attribute"),
        ({"threshold": Decimal(80)}, "unknown_attribute"),
        ({"tresholds": [Decimal(80)]}, "unknown_attribute"),
        ({"email": ["ann@localhost"]}, "unknown_attribute"),
        ({"cost_filter": "{Service: S3}"}, "unknown_attribute"),
    ],
)
def test_refuses_all_else_with_its_code(attributes: dict[str, object], code: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget(row(**attributes))
    assert refused.value.code == code


def test_names_the_attribute_that_was_meant() -> None:
    with pytest.raises(RejectedInput, match="Did you mean 'thresholds'"):
        parse_budget(row(treshholds=["ACTUAL:80"]))


@pytest.mark.parametrize(
    "note",
    [
        {"comment": "agreed with Ann", "ticket": "FIN-7"},
        {"updated_at": "2026-11-01"},
        {"updated_at": "2026-11-01", "updated_by": "ann"},
        {"requester_id": "x"},
        {"emails_cc": "a@example.com"},
        {"emails_cc": ["a@example.com"], "thresholds_old": "ACTUAL:80", "amount_2025": 5},
        {"email": "ask Ann"},
        {"threshold": b"\xff"},
        {"time_units": None},
        {"Currency": " "},
        {"Amount": Decimal(100)},
        {"Amount": "see the contract"},
        {"USD": True},
        {"email": ["Ann", "Bea"]},
        {"Account ID": ACCOUNT},
        {"tresholds": "ask Ann"},
        {"currency_note": "EUR"},
    ],
)
def test_leaves_notes_of_the_editors_own_alone(note: dict[str, object]) -> None:
    assert parse_budget(row(**note)) == parse_budget(row())


@pytest.mark.parametrize(
    ("row_", "previous", "editor"),
    [
        ({"updated_by": "ann"}, None, "ann"),
        ({"updated_by": "ann"}, {"updated_by": "bea"}, "ann"),
        ({"updated_by": "ann", "request_id": "2"}, {"updated_by": "ann", "request_id": "1"}, "ann"),
        ({"updated_by": "ann", "request_id": "1"}, {"updated_by": "ann", "request_id": "1"}, ""),
        ({"updated_by": "ann"}, {"updated_by": "ann"}, ""),
        ({}, {"updated_by": "ann"}, ""),
        (None, {"updated_by": "ann"}, ""),
        ({"updated_by": b"\xff"}, None, "b'\\xff'"),
    ],
)
def test_an_edit_is_of_whom_it_names_itself(
    row_: dict[str, object] | None, previous: dict[str, object] | None, editor: str
) -> None:
    assert editor_of(row_, previous) == editor


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.sets(st.text()),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {"account_id": st.just(ACCOUNT) | json_like, "amount": json_like},
        optional=dict.fromkeys(
            ("budget_name", "currency", "time_unit", "thresholds", "emails"), json_like
        )
        | {"cost_filters": json_like | st.dictionaries(st.just("Service"), json_like)},
    )
)
def test_any_row_is_either_a_valid_budget_or_refused(attributes: dict[str, object]) -> None:
    with contextlib.suppress(RejectedInput):
        budget = parse_budget(attributes)
        assert 0 < budget.amount <= 10**12
        assert budget.amount.as_tuple().exponent == -2


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (None, ()),
        ("", ()),
        ("none", ()),
        ("unblended", ()),
        ("UNBLENDED, NO_CREDITS", ("NO_CREDITS",)),
        ("amortized, no credit", ("AMORTIZED", "NO_CREDITS")),
        (["no-refunds", "No Taxes", "NO_TAX"], ("NO_REFUNDS", "NO_TAXES")),
        ({"BLENDED"}, ("BLENDED",)),
    ],
)
def test_cost_types_are_read_as_people_write_them(typed: object, words: tuple[str, ...]) -> None:
    row = {"account_id": ACCOUNT, "amount": 5, "cost_types": typed}
    assert parse_budget(row).cost_types == words


@pytest.mark.parametrize(
    "typed", ["ACCRUED", "credits", 5, {}, [], [5], b"x", "AMORTIZED, BLENDED", "S"]
)
def test_cost_types_that_aws_does_not_have_are_refused(typed: object) -> None:
    with pytest.raises(RejectedInput) as refused:
        parse_budget({"account_id": ACCOUNT, "amount": 5, "cost_types": typed})
    assert (refused.value.code, refused.value.field) == ("invalid_cost_types", "cost_types")


def test_a_misspelt_name_of_cost_types_is_refused() -> None:
    with pytest.raises(RejectedInput, match="unknown attribute 'cost_type'"):
        parse_budget({"account_id": ACCOUNT, "amount": 5, "cost_type": "AMORTIZED"})


def test_a_daily_budget_has_no_alert_on_the_forecast() -> None:
    row = {"account_id": ACCOUNT, "amount": 5, "time_unit": "daily"}
    with pytest.raises(RejectedInput, match="does not make for a day"):
        parse_budget(row | {"thresholds": "ACTUAL:80, FORECASTED:100"})
    actual, forecast = (Threshold(type=kind, percent=Decimal(80)) for kind in NotificationType)
    defaults = [actual, forecast]
    assert parse_budget(row).with_defaults(defaults, []).thresholds == (actual,)
    monthly = parse_budget(row | {"time_unit": "MONTHLY"})
    assert monthly.with_defaults(defaults, []).thresholds == (actual, forecast)
