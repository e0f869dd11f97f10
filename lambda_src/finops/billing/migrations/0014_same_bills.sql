-- Bills that are loaded in another dataset: only files with bills of the same days are compared. One load at a time asks for
-- a month: it locks the month's row.

ALTER TABLE billing_files
  ADD COLUMN first_day DATE NULL COMMENT 'of its bills';

ALTER TABLE billing_files
  ADD COLUMN last_day DATE NULL COMMENT 'of its bills';

CREATE TABLE IF NOT EXISTS billing_months (
  first_day         DATE NOT NULL PRIMARY KEY
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
