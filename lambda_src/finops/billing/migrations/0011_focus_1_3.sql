-- Columns of FOCUS 1.3: whose resources a service provider uses, and what a charge was split by.

ALTER TABLE focus_charges
  ADD COLUMN host_provider_name VARCHAR(255) NULL;

ALTER TABLE focus_charges
  ADD COLUMN allocated_method_id VARCHAR(255) NULL;

ALTER TABLE focus_charges
  ADD COLUMN allocated_resource_id VARCHAR(1024) NULL;

ALTER TABLE focus_charges
  ADD COLUMN allocated_resource_name VARCHAR(1024) NULL;

ALTER TABLE focus_charges
  ADD COLUMN allocated_tags JSON NULL;

-- A view keeps the columns that its table had when it was made.
CREATE OR REPLACE VIEW focus AS
SELECT c.*, DATE_FORMAT(c.billing_period_start, '%Y-%m') AS month, f.object_key
FROM focus_charges c
JOIN billing_files f ON f.load_id = c.load_id
WHERE f.status IN ('LOADED', 'LOADED_WITH_REJECTS');
