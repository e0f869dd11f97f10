-- What a person said of a file of charges, and which file took the place of which.

ALTER TABLE billing_files
  ADD COLUMN restates TINYINT NOT NULL DEFAULT 0 COMMENT '1: a person said that it restates the months that it holds';

ALTER TABLE billing_files
  ADD COLUMN part_of VARCHAR(1024) NOT NULL DEFAULT '' COMMENT 'the key of the file that it is a further part of';

CREATE TABLE IF NOT EXISTS billing_replacements (
  load_id           BIGINT UNSIGNED NOT NULL COMMENT 'of which all, or some months, count no more',
  replaced_by       BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (load_id, replaced_by),
  KEY replaced_by (replaced_by)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
