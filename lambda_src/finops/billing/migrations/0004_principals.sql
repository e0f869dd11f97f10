-- Who dropped each file, by S3's word: for the audit trail, whoever ends the load.

ALTER TABLE billing_files
  ADD COLUMN principal VARCHAR(256) NOT NULL DEFAULT '' COMMENT 'userIdentity.principalId of the S3 event';
