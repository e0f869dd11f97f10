"""The console in a real browser on the local cloud, as finance people use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from finops.billing.domain import FileStatus
from finops.invoices.domain import InvoiceRecord, InvoiceStatus
from localcloud.endpoints import MANAGEMENT_ACCOUNT, REGION
from tests.flows.billing import BillingFlow, as_csv, bill
from tests.flows.console import (
    PATIENCE,
    Visitor,
    choose_until,
    click_until,
    free_address,
    running_browser,
    running_console,
)
from tests.flows.deployment import OTHER_SPOKE, SPOKE, Deployment, eventually
from tests.flows.invoices import InvoiceFlow, document, paper, unique
from tests.flows.reconciliation import ReconciliationFlow, months_ago
from tests.workbooks import table

pytestmark = [pytest.mark.flow]

PAGES = ("Overview", "Invoices", "Vendors", "Budgets", "Billing", "Reports", "Audit", "Settings")
#: Pages whose tables are cards on a phone.
CARDS = ("Overview", "Invoices", "Budgets", "Billing", "Reports")
Come = Callable[..., Visitor]
#: Amounts and their labels that end with an ellipsis.
_CUT_AMOUNTS = """
  [...document.querySelectorAll("[data-testid^=stMetric] *")]
    .filter(one => getComputedStyle(one).overflow !== "visible")
    .filter(one => one.scrollWidth > one.clientWidth + 1)
    .map(one => one.innerText)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


@pytest.fixture(scope="session")
def console_url(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_console(deployment.url, tmp_path_factory.mktemp("console")) as url:
        yield url


@pytest.fixture
def come(browser: Browser, console_url: str) -> Iterator[Come]:
    """People come to the console, each with a browser of their own."""
    visitors: list[Visitor] = []

    def arrive(role: str, name: str = "", **settings: Any) -> Visitor:
        visitors.append(
            Visitor.come(browser, console_url, name=name or role, role=role, **settings)
        )
        return visitors[-1]

    yield arrive
    for visitor in visitors:
        visitor.leave()


def test_an_invoice_is_uploaded_reviewed_by_another_person_and_exported_to_excel(
    come: Come, invoices: InvoiceFlow
) -> None:
    number = unique("R")
    editor = come("Editor", "edda")
    editor.go("Invoices")
    editor.drop(**{f"{number}__pdf": document(paper(number, total="130.00"))})
    editor.sees("1 of 1 finished")
    editor.sees("but the total is 130.00")
    editor.press("Show", then=editor.button("Approve"))
    expect(editor.button("Approve")).to_be_disabled()
    expect(editor.button("Reject")).to_be_disabled()
    expect(editor.page.get_by_role("button", name="Total: 130.00")).to_be_visible()

    approver = come("Approver", "anna")
    click_until(approver.page.get_by_role("link", name="Review them"), approver.field("Search"))
    approver.enter("Search", number.lower())
    approver.sees_rows(1)
    approver.choose_row(then="Open invoice")
    total = approver.field("Total")
    approver.press("Open invoice", then=total)
    expect(total).to_have_value("130.00")
    total.fill("120.00")
    approver.field("Reason").fill("a slip of the pen")
    approver.press("Approve", then="internal number")
    (record,) = [
        one for one in invoices.store.all(status="PROCESSED") if one.file == f"{number}.pdf"
    ]
    assert record.submitted_by == "edda"
    assert [(one.reviewer, one.decision, one.reason) for one in record.reviews] == [
        ("anna", "APPROVED", "a slip of the pen")
    ]
    approver.press("All invoices", then="Received")
    approver.settle()
    approver.page.get_by_role("combobox", name="Status").click()
    approver.page.get_by_role("option", name="Any").click()
    approver.sees_rows(1)
    book = approver.download("Excel:")
    (row,) = table(book, 1)
    assert (row["id"], row["file"], row["status"]) == (record.id, f"{number}.pdf", "PROCESSED")
    assert (row["total"], row["invoice number"]) == (120.0, number)
    (line, *_) = table(book, 2)
    assert line["id"] == record.id
    assert 100.0 in line.values()


def waiting_invoice(invoices: InvoiceFlow) -> InvoiceRecord:
    """An invoice whose total is doubtful, submitted by somebody else."""
    number = unique("I")
    body = document(paper(number, total="130.00"))
    return invoices.drop(f"raw/{number}.pdf", body, owner="edda")


def test_an_inbox_is_worked_through_by_keys(come: Come, invoices: InvoiceFlow) -> None:
    first, second, last = (waiting_invoice(invoices) for _ in range(3))
    visitor = come("Approver", "anna", path=f"invoice?id={first.id}")
    page, total, reason = visitor.page, visitor.field("Total"), visitor.field("Reason")
    # The doubtful field has the focus, and what is typed there is text.
    expect(total).to_be_focused()
    visitor.sees("but the total is 130.00")
    visitor.sees("In the document:")
    page.keyboard.press("End")
    page.keyboard.type("ajr")
    expect(total).to_have_value("130.00ajr")
    total.fill("120.00")
    page.keyboard.press("Escape")
    expect(total).not_to_be_focused()

    page.keyboard.press("?")
    visitor.sees("to the reason, which a rejection needs")
    page.keyboard.press("Escape")
    expect(page.get_by_text("to the reason, which a rejection needs")).to_have_count(0)
    page.keyboard.press("r")
    expect(reason).to_be_focused()
    reason.fill("by keys")
    page.keyboard.press("Escape")
    expect(total).to_have_value("120.00")

    page.keyboard.press("a")
    page.wait_for_url(lambda url: first.id not in url)
    visitor.sees("for your review")
    done = invoices.until(first.id, lambda one: one.status is InvoiceStatus.PROCESSED)
    assert [(one.reviewer, one.decision, one.reason) for one in done.reviews] == [
        ("anna", "APPROVED", "by keys")
    ]
    assert done.invoice
    assert done.invoice.text("total") == "120.00"

    visitor = come("Approver", "bea", path=f"invoice?id={second.id}")
    expect(visitor.field("Total")).to_be_focused()
    goes_elsewhere_by(visitor, "j")
    goes_elsewhere_by(visitor, "k")
    assert not any(invoices.store.find(one.id).reviews for one in (second, last))


def goes_elsewhere_by(visitor: Visitor, key: str) -> None:
    """Press a key until the page is another invoice's; a field that got the focus is left first."""
    before = visitor.page.url

    def is_elsewhere() -> bool:
        visitor.page.keyboard.press("Escape")
        visitor.page.keyboard.press(key)
        with suppress(PlaywrightTimeoutError):
            visitor.page.wait_for_url(lambda url: url != before, timeout=PATIENCE / 4)
        return visitor.page.url != before

    eventually(is_elsewhere, within=3 * PATIENCE / 1000, what=f"another invoice by {key}")
    visitor.settle()


def test_whoever_decides_second_is_told_who_was_first(come: Come, invoices: InvoiceFlow) -> None:
    one = waiting_invoice(invoices)
    anna, bea = (come("Approver", who, path=f"invoice?id={one.id}") for who in ("anna", "bea"))
    bea.field("Reason").fill("not ours")
    anna.field("Total").fill("120.00")
    anna.press("Approve", then="internal number")
    bea.press("Reject", then="was already approved by anna at")
    bea.sees("your rejection was not recorded")
    (review,) = invoices.store.find(one.id).reviews
    assert (review.reviewer, review.decision) == ("anna", "APPROVED")


def test_on_a_phone_decisions_stand_above_the_document(come: Come, invoices: InvoiceFlow) -> None:
    one = waiting_invoice(invoices)
    visitor = come(
        "Approver",
        "anna",
        path=f"invoice?id={one.id}",
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    image = visitor.page.get_by_role("img", name="Page 1 of")
    expect(image).to_be_visible()
    # A phone's keyboard would cover the page.
    expect(visitor.field("Total")).not_to_be_focused()
    for label in ("Approve and next", "Approve", "Reject"):
        button = visitor.button(label).bounding_box()
        sheet = image.bounding_box()
        assert button
        assert sheet
        assert button["y"] + button["height"] < sheet["y"], label
        assert button["x"] + button["width"] <= 390, label


def test_files_that_are_not_invoices_are_rejected_before_or_after_upload(
    come: Come, invoices: InvoiceFlow
) -> None:
    name = unique("broken")
    visitor = come("Editor")
    visitor.go("Invoices")
    visitor.drop(
        notes__txt=b"hello",
        renamed__pdf=b"hello",
        empty__pdf=b"",
        **{f"{name}__pdf": b"%PDF-1.7 and then nothing"},
    )
    visitor.sees("notes.txt is not an accepted type")
    visitor.sees("renamed.pdf is not a PDF file, although its name says so")
    visitor.sees("empty.pdf is empty")
    visitor.sees("1 of 1 finished")
    visitor.sees("the PDF is damaged")
    found = [one.file for one in invoices.store.all(status=InvoiceStatus.REJECTED.value)]
    assert f"{name}.pdf" in found
    assert not {"notes.txt", "renamed.pdf", "empty.pdf"} & set(found)


def test_a_budget_is_edited_in_the_table_and_applied_in_its_account(
    come: Come, deployment: Deployment, budget_name: str
) -> None:
    deployment.edit(SPOKE, "100", budget_name, note="stays", updated_by="before")
    deployment.await_status(SPOKE, "APPLIED", budget_name)
    visitor = come("Editor", "edda")
    visitor.go("Budgets")
    visitor.enter("Search", budget_name)
    visitor.sees_rows(1)
    visitor.type_into(3, "1.500,00")
    visitor.sees("Apply 1 change")
    visitor.has_cell(3, "1.500,00")
    visitor.press("Apply 1 change", then="was not changed: amount '1.500,00' is not a number")
    visitor.press("Discard", then="You can edit the columns")
    visitor.has_cell(3, "100")
    visitor.type_into(3, "1234.56")
    visitor.sees("Apply 1 change")
    visitor.enter("Search", "no budget is called so")
    visitor.sees("No budgets match")
    visitor.go("Audit")
    visitor.go("Budgets")
    visitor.enter("Search", budget_name)
    visitor.sees_rows(1)
    visitor.has_cell(3, "1234.56")
    visitor.press("Apply 1 change", then="1 of 1 finished")
    assert deployment.amount(SPOKE, budget_name) == Decimal("1234.56")
    assert deployment.status(SPOKE, budget_name)["updated_by"] == "edda"


def test_what_was_typed_outlasts_a_restart_a_sign_in_and_a_reload(
    browser: Browser,
    deployment: Deployment,
    invoices: InvoiceFlow,
    budget_name: str,
    tmp_path: Path,
) -> None:
    one = waiting_invoice(invoices)
    for account_id in (SPOKE, OTHER_SPOKE):
        deployment.edit(account_id, "100", budget_name)
        deployment.await_status(account_id, "APPLIED", budget_name)
    url, path = free_address(), f"invoice?id={one.id}"
    with running_console(deployment.url, tmp_path, url=url):
        visitor = Visitor.come(browser, url, name="anna", role="Approver", path=path)
        visitor.field("Reason").fill("typed before")
        visitor.field("Total").fill("120.00")
    visitor.sees("server is not responding")
    with running_console(deployment.url, tmp_path, url=url):
        # Nothing is decided by a button that was pressed for a session that is gone.
        click_until(visitor.button("Approve"), visitor.button("Sign in"))
        visitor.sign_in("anna", "Approver")
        visitor.sees("What you had typed is back")
        expect(visitor.field("Reason")).to_have_value("typed before")
        expect(visitor.field("Total")).to_have_value("120.00")
        assert not invoices.store.find(one.id).reviews
        visitor.go("Budgets")
        visitor.enter("Search", budget_name)
        visitor.sees_rows(2)
        visitor.type_into(3, "1234.56")
        visitor.sees("Apply 1 change")
        # The tab has it a moment after the page shows it.
        visitor.page.wait_for_function("JSON.stringify(sessionStorage).includes('1234.56')")
        visitor.page.reload()
        visitor.sign_in("anna", "Approver")
        visitor.sees("that you had not applied came back")
        visitor.sees("Apply 1 change")
        assert visitor.page.url == f"{url}/budgets?budget_search={budget_name}"
        expect(visitor.field("Search")).to_have_value(budget_name)
        visitor.sees_rows(2)
        visitor.has_cell(3, "1234.56")
        visitor.type_into(3, "77.70", row=1)
        visitor.sees("Apply 2 changes")
        visitor.has_cell(3, "1234.56")
        visitor.has_cell(3, "77.70", row=1)
        # Whoever signs out leaves nothing to the next person.
        click_until(visitor.button("Sign out"), visitor.button("Sign in"))
        assert "1234.56" not in visitor.page.evaluate("JSON.stringify(sessionStorage)")
        visitor.leave()


def test_a_raise_is_applied_when_two_approvers_have_approved_it(
    come: Come, deployment: Deployment, budget_name: str
) -> None:
    deployment.edit(SPOKE, "100", budget_name)
    deployment.await_status(SPOKE, "APPLIED", budget_name)
    deployment.edit(SPOKE, "20000000", budget_name)
    deployment.await_status(SPOKE, "WAITING", budget_name)

    def raised(visitor: Visitor) -> Locator:
        found = visitor.page.locator("[class*=st-key-raise-]").filter(has_text=budget_name)

        def is_listed() -> bool:
            visitor.go("Overview")
            visitor.go("Budgets")
            return found.count() > 0

        # The page reads the list every five seconds at most.
        eventually(is_listed, what="the raise on the page")
        return found

    edda = raised(come("Editor", "edda"))
    expect(edda.get_by_role("button", name="Approve")).to_be_disabled()
    expect(edda).to_contain_text("Only an approver can approve a raise.")
    first = raised(come("Approver", "anna"))
    expect(first).to_contain_text("100.00 USD → 20,000,000.00 USD")
    button = first.get_by_role("button", name="Approve")
    click_until(button, first.get_by_text("You have approved it."))
    expect(button).to_be_disabled()
    assert deployment.amount(SPOKE, budget_name) == 100
    second = raised(come("Approver", "bert", color_scheme="dark"))
    expect(second).to_contain_text("approved by anna")
    second.get_by_role("button", name="Approve").click()
    deployment.await_amount(SPOKE, 20_000_000, budget_name)
    deployment.await_status(SPOKE, "APPLIED", budget_name)


def test_budgets_are_imported_and_invalid_lines_are_named(
    come: Come, deployment: Deployment, budget_name: str
) -> None:
    visitor = come("Editor", "edda")
    visitor.go("Budgets")
    chooser = visitor.page.locator("[data-testid=stFileUploader] input")
    visitor.press("Import CSV", then=chooser)
    lines = f"account_id,budget_name,amount\n{SPOKE},{budget_name},77.10\n{SPOKE},other,lots\n"
    choose_until(
        chooser,
        [{"name": f"{unique('b')}.csv", "mimeType": "text/csv", "buffer": lines.encode()}],
    )
    visitor.sees("1 line can't be imported")
    visitor.press("Import 1 budget", then="1 of 1 finished")
    assert deployment.amount(SPOKE, budget_name) == Decimal("77.10")


def test_quarantined_rows_of_a_billing_file_are_fixed_and_loaded(
    come: Come, billing: BillingFlow
) -> None:
    dataset = unique("console")
    rows = [
        bill("a"),
        bill("b", bill_amount="ten"),
        bill("c", bill_date="2026-02-30"),
    ]
    visitor = come("Editor")
    visitor.go("Billing")
    visitor.enter("Dataset", dataset)
    visitor.sees(f"into the dataset {dataset}")
    visitor.drop(march__csv=as_csv(rows))
    visitor.sees("1 of 1 finished")
    visitor.sees("3 rows read, 1 loaded, 2 quarantined")
    visitor.enter("Filter by dataset", dataset)
    visitor.sees_rows(1, dataset)
    (entry,) = billing.store.files(dataset=dataset, to_fix=True)
    assert billing.store.is_to_fix(entry)
    assert billing.store.count_to_fix()[FileStatus.LOADED_WITH_REJECTS] >= 1
    visitor.choose_row(then="2 rows quarantined")
    bad = visitor.download("Rows to fix").decode("utf-8-sig")
    assert bad.splitlines()[0] == ",".join(as_csv([]).decode().strip().split(","))
    assert len(bad.splitlines()) == 3
    fixed = bad.replace("ten", "10.00").replace("2026-02-30", "2026-02-28").encode()
    visitor.page.locator(".zone input").last.set_input_files(
        {"name": "march-fixed.csv", "mimeType": "text/csv", "buffer": fixed}
    )
    visitor.sees("2 rows read, 2 loaded, 0 quarantined")
    visitor.enter("File name", "march.csv")
    visitor.sees_rows(1)
    visitor.choose_row(then="2 rows quarantined")
    visitor.sees("brought 2 rows of these, corrected")
    visitor.sees("Nothing of it is left to fix")
    assert not billing.store.files(dataset=dataset, to_fix=True)
    assert set(billing.rows(dataset)) == {"a", "b", "c"}
    statuses = {one.source.key: one.status for one in billing.store.files(dataset=dataset)}
    assert statuses == {
        f"billing/{dataset}/march.csv": FileStatus.LOADED_WITH_REJECTS,
        f"billing/{dataset}/march-fixed.csv": FileStatus.LOADED,
    }


def test_an_approver_moves_a_billing_file_and_withdraws_it(
    come: Come, billing: BillingFlow
) -> None:
    wrong, right = unique("wrong"), unique("right")
    rows = [bill("a", company_name=wrong), bill("b", company_name=wrong, currency="EUR")]
    billing.drop(f"billing/{wrong}/march.csv", as_csv(rows))

    def opened(dataset: str) -> None:
        visitor.enter("Filter by dataset", dataset)
        visitor.sees_rows(1, dataset)
        visitor.choose_row(then="march.csv")

    visitor = come("Approver", "anna")
    visitor.go("Billing")
    opened(wrong)
    reason = visitor.field("Reason")
    visitor.press("Move to another dataset", then=reason)
    visitor.sees("2 rows of it will not count any more: 10.50 EUR, 10.50 USD, which is ")
    expect(visitor.button("Move it")).to_be_disabled()
    visitor.enter("To the dataset", right)
    visitor.enter("Reason", "it is of the other company")
    visitor.press("Move it", then="1 of 1 finished")
    assert (set(billing.rows(wrong)), set(billing.rows(right))) == (set(), {"a", "b"})
    opened(right)
    visitor.press("Withdraw", then=reason)
    visitor.enter("Reason", "dropped twice")
    visitor.press("Withdraw it", then="withdrawn by anna: dropped twice")
    assert not billing.rows(right)
    (entry,) = billing.store.files(dataset=right)
    assert (entry.status, entry.error) == (
        FileStatus.WITHDRAWN,
        "withdrawn by anna: dropped twice",
    )


def test_a_format_is_made_from_a_file_and_counts_from_the_next_one_on(
    come: Come, billing: BillingFlow, tmp_path: Path
) -> None:
    dataset = unique("format")
    content = (
        "Rechnungsnr.;Kunde;Datum;Betrag\nR1;Ähre;05.03.2026;1.200,50\nR2;Ähre;06.03.2026;-3,00\n"
    ).encode()
    visitor = come("Editor")
    visitor.go("Billing")
    field = visitor.field("Format of dataset")
    click_until(visitor.page.get_by_text("Formats", exact=True), field)
    visitor.enter("Format of dataset", dataset)
    choose_until(
        visitor.page.get_by_test_id("stFileUploaderDropzoneInput"),
        [{"name": f"{dataset}.csv", "mimeType": "text/csv", "buffer": content}],
    )
    visitor.sees("in which one are amounts")
    visitor.sees("It would be refused")
    visitor.enter("Currency of rows without one", "EUR")
    visitor.sees("2 of 2 rows would be loaded")
    visitor.settle()
    visitor.page.screenshot(path=tmp_path / "formats.png", full_page=True)
    visitor.press("Save the format", then="counts from the next file on")
    entry = billing.drop(f"billing/{dataset}/march.csv", content)
    assert (entry.status, entry.tally.inserted) == (FileStatus.LOADED, 2)
    assert Decimal(billing.rows(dataset)["R1"]["bill_amount"]) == Decimal("1200.50")
    assert entry.format is not None
    assert entry.format.source == f"billing/{dataset}/_format.json"


def test_a_viewer_finds_nothing_to_change(come: Come, invoices: InvoiceFlow) -> None:
    waiting = invoices.drop(
        f"raw/{unique('V')}.pdf", document(paper(unique("V"), total="130.00")), owner="edda"
    )
    visitor = come("Viewer", path=f"invoice?id={waiting.id}")
    visitor.sees("This invoice waits for an editor or approver.")
    for label in ("Approve", "Reject", "Save corrections"):
        expect(visitor.button(label)).to_have_count(0)
    for title in ("Invoices", "Billing"):
        visitor.go(title)
        expect(visitor.page.locator(".zone")).to_have_count(0)
    visitor.go("Budgets")
    for label in ("New budget", "Import CSV", "Remove"):
        expect(visitor.button(label)).to_have_count(0)
    visitor.go("Reports")
    expect(visitor.button("Reconcile now")).to_have_count(0)


def test_every_action_is_in_the_audit_trail_with_the_users_name(
    come: Come, deployment: Deployment, budget_name: str
) -> None:
    name = unique("edda")
    visitor = come("Editor", name)
    visitor.go("Budgets")
    visitor.press("New budget", then=visitor.field("Account"))
    visitor.field("Account").fill(SPOKE)
    visitor.field("Name").fill(budget_name)
    visitor.field("Amount").fill("12.50")
    visitor.press("Add", then="1 of 1 finished")

    def recorded() -> bool:
        visitor.go("Overview")
        visitor.go("Audit")
        visitor.enter("Action", "budget.edited")
        visitor.enter("Who", f"{name[:-1]}*")
        visitor.settle()
        return visitor.page.get_by_test_id("stDataFrame").count() > 0

    eventually(recorded, what="the entry")
    visitor.sees_rows(1)
    visitor.choose_row(then=f"{SPOKE}/{budget_name}")
    visitor.sees("budget.edited")
    visitor.press("Verify the trail", then="The trail is intact")


def test_outside_the_local_cloud_users_sign_in_with_cognito_and_groups_give_their_role(
    browser: Browser, deployment: Deployment, tmp_path: Path
) -> None:
    url = free_address()
    password = f"Secret-{unique('pw')}"
    people = {"editor@example.com": "finops-editor", "stranger@example.com": "others-editor"}
    pool, client = user_pool(deployment, url, people, password)
    settings = {
        "FINOPS_ENV": "prod",
        "CONSOLE_IDLE_MINUTES": "60",
        "CONSOLE_URL": url,
        "OIDC_CLIENT_ID": client,
        "OIDC_METADATA_URL": f"{deployment.url}/{pool}/.well-known/openid-configuration",
        "AWS_ENDPOINT_URL": deployment.url,
        "AWS_ACCESS_KEY_ID": MANAGEMENT_ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
    }
    with running_console(deployment.url, tmp_path, url=url, **settings):
        page = browser.new_context().new_page()
        page.set_default_timeout(PATIENCE)
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.goto(f"{url}/audit")
            expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            assert Visitor(page, url).violations() == "", scheme
        for person, welcome in (
            # Back to where the person was, although the login leads to the first page.
            ("editor@example.com", "Verify the trail"),
            ("stranger@example.com", "you are not in any of the console's groups"),
        ):
            expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            expect(page.get_by_role("textbox")).to_have_count(0)
            # Whoever comes next is asked for a name and a password, on the same browser too.
            username = page.locator("input[name=username]")
            click_until(page.get_by_role("button", name="Sign in", exact=True), username)
            username.fill(person)
            page.locator("input[name=password]").fill(password)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_text(welcome)).to_be_visible()
            is_in = page.get_by_text("Editor · prod").count() == 1
            assert is_in == (person == "editor@example.com")
            way_out = page.get_by_role("link", name="Sign out" if is_in else "Sign in again")
            way_out.dblclick()
            expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        page.context.close()


def user_pool(
    deployment: Deployment, url: str, people: Mapping[str, str], password: str
) -> tuple[str, str]:
    """A pool of people by their groups, and a client of it as modules/console makes one."""
    cognito = deployment.client("cognito-idp")
    pool = cognito.create_user_pool(
        PoolName=unique("console"),
        UsernameAttributes=["email"],
        AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
    )["UserPool"]["Id"]
    cognito.create_user_pool_domain(Domain=unique("console"), UserPoolId=pool)
    client = cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName="console",
        GenerateSecret=False,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["code"],
        AllowedOAuthScopes=["openid", "email"],
        SupportedIdentityProviders=["COGNITO"],
        CallbackURLs=[f"{url}/oauth2callback"],
        LogoutURLs=[url],
    )["UserPoolClient"]["ClientId"]
    for person, group in people.items():
        attributes = {"email": person, "email_verified": "true"}
        where = {"UserPoolId": pool, "Username": person}
        cognito.admin_create_user(
            **where,
            UserAttributes=[{"Name": k, "Value": v} for k, v in attributes.items()],
            MessageAction="SUPPRESS",
        )
        cognito.admin_set_user_password(**where, Password=password, Permanent=True)
        cognito.create_group(GroupName=group, UserPoolId=pool)
        cognito.admin_add_user_to_group(**where, GroupName=group)
    return str(pool), str(client)


@pytest.fixture(scope="module")
def review(
    invoices: InvoiceFlow, billing: BillingFlow, reconciliation: ReconciliationFlow
) -> InvoiceRecord:
    """An invoice to review, beside a report, a loaded bill and a rejected one."""
    reconciliation.run(months_ago(0))
    billing.drop("billing/pages/march.csv", as_csv([bill(1), bill(2, bill_amount="ten")]))
    return waiting_invoice(invoices)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390], ids=["desk", "phone"])
def test_every_page_fits_and_is_accessible(
    come: Come, review: InvoiceRecord, scheme: str, width: int
) -> None:
    visitor = come(
        "Approver",
        path=f"invoice?id={review.id}",
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
    )
    expect(visitor.field("Total")).to_be_visible()
    fits(visitor)
    for title in PAGES:
        if width < 800:
            visitor.page.get_by_test_id("stExpandSidebarButton").click()
        visitor.go(title)
        if width < 800:
            expect(visitor.page.get_by_test_id("stSidebarNav")).not_to_be_in_viewport()
        fits(visitor)
        if width < 800 and title in CARDS:
            expect(visitor.page.get_by_test_id("stDataFrame")).to_have_count(0)
    if width < 800:
        visitor.page.get_by_test_id("stExpandSidebarButton").click()
    click_until(visitor.button("Sign out"), visitor.button("Sign in"))
    fits(visitor)


def fits(visitor: Visitor) -> None:
    visitor.sees_no("Something went wrong")
    visitor.sees_no("cannot be read")
    overflow = visitor.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, visitor.page.url
    assert visitor.page.evaluate(_CUT_AMOUNTS) == [], visitor.page.url
    assert visitor.violations() == "", visitor.page.url
