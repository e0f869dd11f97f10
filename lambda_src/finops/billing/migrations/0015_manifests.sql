-- Which files belong to a run of an export, by its manifest: a run takes the place of an older one once it is whole.

CREATE TABLE IF NOT EXISTS billing_manifests (
  folder_hash       CHAR(64) NOT NULL PRIMARY KEY,
  folder            VARCHAR(1024) NOT NULL COMMENT 'of the run, in the bucket',
  names             MEDIUMTEXT NOT NULL COMMENT 'of its files (JSON list)',
  noted_at          DATETIME(3) NOT NULL
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
