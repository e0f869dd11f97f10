"""The console's pages, in the order of the menu."""

from __future__ import annotations

from console.views import (
    audit,
    billing,
    budgets,
    invoice,
    invoices,
    overview,
    reports,
    settings,
    vendors,
)

#: Each page's view, title and icon.
PAGES = (
    (overview, "Overview", ":material/space_dashboard:"),
    (invoices, "Invoices", ":material/receipt_long:"),
    (invoice, "Invoice", ":material/receipt_long:"),
    (vendors, "Vendors", ":material/storefront:"),
    (budgets, "Budgets", ":material/savings:"),
    (billing, "Billing", ":material/table_view:"),
    (reports, "Reports", ":material/query_stats:"),
    (audit, "Audit", ":material/verified_user:"),
    (settings, "Settings", ":material/tune:"),
)
