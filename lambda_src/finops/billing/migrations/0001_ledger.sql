-- The ledger of files, the parts of large ones, rates, and conversions done again on request.
-- SQL that Aurora MySQL 8.0 and MariaDB 10.11 both take. Amounts by currency are JSON texts.

CREATE TABLE IF NOT EXISTS billing_files (
  load_id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  file_id           CHAR(32)      NOT NULL,
  bucket            VARCHAR(63)   NOT NULL,
  object_key        VARCHAR(1024) NOT NULL,
  key_hash          CHAR(64)      NOT NULL COMMENT 'SHA-256 of bucket/key: keys are too long for an index',
  version_id        VARCHAR(1024) NOT NULL DEFAULT '',
  etag              VARCHAR(64)   NOT NULL DEFAULT '',
  version_order     VARCHAR(64)   NOT NULL,
  size_bytes        BIGINT UNSIGNED NOT NULL DEFAULT 0,
  dataset           VARCHAR(128)  NOT NULL,
  schema_name       VARCHAR(32)   NOT NULL DEFAULT '',
  status            VARCHAR(24)   NOT NULL DEFAULT 'RECEIVED',
  execution         INT UNSIGNED  NOT NULL DEFAULT 0 COMMENT 'runs of the workflow so far',
  rows_read         BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_inserted     BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_updated      BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_unchanged    BIGINT UNSIGNED NOT NULL DEFAULT 0,
  rows_superseded   BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of the unchanged: a newer file wrote them',
  rows_quarantined  BIGINT UNSIGNED NOT NULL DEFAULT 0,
  amounts           TEXT          NULL COMMENT 'amounts read, by original currency (JSON)',
  amount_usd        DECIMAL(36,18) NULL,
  quarantine_uri    VARCHAR(2048) NOT NULL DEFAULT '',
  content_sha256    CHAR(64)      NOT NULL DEFAULT '',
  -- Set on the first file of a content only, so that a second dataset cannot take it unnoticed.
  original_sha256   CHAR(64)      NULL,
  error             TEXT          NULL,
  error_code        VARCHAR(64)   NOT NULL DEFAULT '',
  received_at       DATETIME(3)   NOT NULL,
  finished_at       DATETIME(3)   NULL,
  UNIQUE KEY file_id (file_id),
  UNIQUE KEY original_sha256 (original_sha256),
  KEY key_hash (key_hash, version_order),
  KEY content_sha256 (content_sha256),
  KEY received_at (received_at)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS billing_chunks (
  load_id           BIGINT UNSIGNED NOT NULL,
  number            INT UNSIGNED    NOT NULL,
  tally             TEXT            NULL COMMENT 'counts and sums of the part once it is loaded (JSON)',
  quarantine_uri    VARCHAR(2048)   NOT NULL DEFAULT '',
  loaded_at         DATETIME(3)     NULL,
  PRIMARY KEY (load_id, number)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS fx_rates (
  currency          CHAR(3)        NOT NULL,
  rate_date         DATE           NOT NULL,
  usd_per_unit      DECIMAL(30,15) NOT NULL,
  source            VARCHAR(64)    NOT NULL,
  loaded_at         DATETIME(3)    NOT NULL,
  PRIMARY KEY (currency, rate_date)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS billing_reconversions (
  reconversion_id   BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  requested_by      VARCHAR(255)   NOT NULL,
  requested_at      DATETIME(3)    NOT NULL,
  reason            VARCHAR(1024)  NOT NULL,
  dataset           VARCHAR(128)   NOT NULL,
  first_day         DATE           NOT NULL,
  last_day          DATE           NOT NULL,
  rows_changed      BIGINT UNSIGNED NOT NULL,
  usd_before        DECIMAL(36,18) NOT NULL,
  usd_after         DECIMAL(36,18) NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
