-- Ids of a dataset are made by one rule: one load at a time asks by which. It locks the dataset's row.

CREATE TABLE IF NOT EXISTS billing_datasets (
  dataset           VARCHAR(128) NOT NULL PRIMARY KEY
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
