-- Which object wrote a row: only the same object, or a dataset that declares so, corrects it.
-- Rows of before have no hash; the file that wrote them says whose they are.

ALTER TABLE billing_rows
  ADD COLUMN object_hash CHAR(16) NOT NULL DEFAULT '' COMMENT 'the beginning of key_hash of the file that wrote the row';
