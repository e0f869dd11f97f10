-- Who dropped each file, by what the upload said: the console signs forms for all its people, so S3 names the console.

ALTER TABLE billing_files
  ADD COLUMN submitted_by VARCHAR(256) NOT NULL DEFAULT '' COMMENT 'metadata submitted-by of the object';
