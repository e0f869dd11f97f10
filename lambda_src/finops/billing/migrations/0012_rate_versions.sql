-- How new the file is that gave a rate last: an older one that arrives late changes nothing.

ALTER TABLE fx_rates
  ADD COLUMN version_order VARCHAR(64) NOT NULL DEFAULT '' COMMENT 'of the newest file that gave it, as in billing_files';
