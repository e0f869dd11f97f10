-- Corrections of loaded bills by a file that is loaded in parts: they change these bills when the file is loaded, all at once.

CREATE TABLE IF NOT EXISTS billing_pending_rows (
  load_id           BIGINT UNSIGNED NOT NULL COMMENT 'the file that is being loaded',
  line              BIGINT UNSIGNED NOT NULL,
  dataset           VARCHAR(128)  NOT NULL,
  record_id         VARCHAR(128)  NOT NULL,
  company_name      VARCHAR(255)  NULL,
  country           VARCHAR(255)  NULL,
  city              VARCHAR(255)  NULL,
  product_line      VARCHAR(255)  NULL,
  item              VARCHAR(255)  NULL,
  bill_date         DATE          NOT NULL,
  currency          CHAR(3)       NOT NULL,
  bill_amount       DECIMAL(20,6) NOT NULL,
  amount_usd        DECIMAL(20,6) NOT NULL,
  rate              DECIMAL(30,15) NOT NULL,
  rate_date         DATE          NOT NULL,
  rate_source       VARCHAR(64)   NOT NULL DEFAULT '',
  extra             TEXT          NULL,
  PRIMARY KEY (load_id, line)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
