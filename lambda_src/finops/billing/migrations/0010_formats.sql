-- Which format a load read its file by, and what ids of its bills are made of; which columns of a file its format keeps.

ALTER TABLE billing_files
  ADD COLUMN used_format TEXT NULL COMMENT 'source, version and content of the format (JSON)';

ALTER TABLE billing_files
  ADD COLUMN id_rule VARCHAR(128) NOT NULL DEFAULT '' COMMENT 'empty: the record id of the file';

ALTER TABLE billing_rows
  ADD COLUMN extra TEXT NULL COMMENT 'columns that the format keeps (JSON object)';

CREATE OR REPLACE VIEW billing AS
SELECT r.dataset, r.record_id, r.company_name, r.country, r.city, r.product_line, r.item,
       r.bill_date, DATE_FORMAT(r.bill_date, '%Y-%m') AS month, r.currency, r.bill_amount,
       r.amount_usd, r.rate, r.rate_date, r.rate_source, r.line, f.object_key, f.load_id, r.extra
FROM billing_rows r
JOIN billing_files f ON f.load_id = r.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');
