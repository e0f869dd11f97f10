-- What a load tells beyond its counts, and where the rate of a row comes from: a static rate is
-- named in the row that it converted. Rows of before have no source.

ALTER TABLE billing_files
  ADD COLUMN notes TEXT NULL COMMENT 'counts by note, such as rounded numbers (JSON)';

ALTER TABLE billing_rows
  ADD COLUMN rate_source VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'such as ECB, csv or static';

ALTER TABLE focus_charges
  ADD COLUMN rate_source VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'such as ECB, csv or static';

CREATE OR REPLACE VIEW billing AS
SELECT r.dataset, r.record_id, r.company_name, r.country, r.city, r.product_line, r.item,
       r.bill_date, DATE_FORMAT(r.bill_date, '%Y-%m') AS month, r.currency, r.bill_amount,
       r.amount_usd, r.rate, r.rate_date, r.rate_source, r.line, f.object_key, f.load_id
FROM billing_rows r
JOIN billing_files f ON f.load_id = r.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');

CREATE OR REPLACE VIEW focus AS
SELECT c.*, DATE_FORMAT(c.billing_period_start, '%Y-%m') AS month, f.object_key
FROM focus_charges c
JOIN billing_files f ON f.load_id = c.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');
