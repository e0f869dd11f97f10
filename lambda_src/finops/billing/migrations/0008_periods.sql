-- One load at a time settles which file of a billing period counts: it locks the period's row.

CREATE TABLE IF NOT EXISTS focus_periods (
  dataset                    VARCHAR(128)    NOT NULL,
  billing_period_start       DATETIME        NOT NULL,
  PRIMARY KEY (dataset, billing_period_start)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
