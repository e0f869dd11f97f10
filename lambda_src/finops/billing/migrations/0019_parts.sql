-- Where a part of a file begins: parts that are loaded stay loaded only while the file is cut in the same way.

ALTER TABLE billing_chunks
  ADD COLUMN first_line BIGINT UNSIGNED NOT NULL DEFAULT 0;
