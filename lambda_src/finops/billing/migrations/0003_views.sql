-- For analysts. Rows of files on their way, and of those that failed half way, are in no total.

CREATE OR REPLACE VIEW billing AS
SELECT r.dataset, r.record_id, r.company_name, r.country, r.city, r.product_line, r.item,
       r.bill_date, DATE_FORMAT(r.bill_date, '%Y-%m') AS month, r.currency, r.bill_amount,
       r.amount_usd, r.rate, r.rate_date, r.line, f.object_key, f.load_id
FROM billing_rows r
JOIN billing_files f ON f.load_id = r.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');

CREATE OR REPLACE VIEW billing_by_month AS
SELECT month, currency, COUNT(*) AS bills, SUM(bill_amount) AS bill_amount,
       SUM(amount_usd) AS amount_usd
FROM billing GROUP BY month, currency;

CREATE OR REPLACE VIEW billing_by_country AS
SELECT month, country, currency, COUNT(*) AS bills, SUM(bill_amount) AS bill_amount,
       SUM(amount_usd) AS amount_usd
FROM billing GROUP BY month, country, currency;

CREATE OR REPLACE VIEW billing_by_product_line AS
SELECT month, product_line, currency, COUNT(*) AS bills, SUM(bill_amount) AS bill_amount,
       SUM(amount_usd) AS amount_usd
FROM billing GROUP BY month, product_line, currency;

CREATE OR REPLACE VIEW focus AS
SELECT c.*, DATE_FORMAT(c.billing_period_start, '%Y-%m') AS month, f.object_key
FROM focus_charges c
JOIN billing_files f ON f.load_id = c.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');

CREATE OR REPLACE VIEW focus_by_service AS
SELECT month, billing_account_id, sub_account_id, service_name, charge_category, billing_currency,
       COUNT(*) AS charges, SUM(billed_cost) AS billed_cost, SUM(effective_cost) AS effective_cost,
       SUM(billed_cost_usd) AS billed_cost_usd, SUM(effective_cost_usd) AS effective_cost_usd
FROM focus
GROUP BY month, billing_account_id, sub_account_id, service_name, charge_category,
         billing_currency;
