-- Which file brings the quarantined rows of which, corrected, so that nobody looks for them any more.

ALTER TABLE billing_files
  ADD COLUMN corrects CHAR(32) NOT NULL DEFAULT '' COMMENT 'file_id of the file whose quarantined rows it brings';

ALTER TABLE billing_files
  ADD COLUMN leaves_out TINYINT NOT NULL DEFAULT 0 COMMENT '1: rows of that file which it lacks are not to be loaded';

ALTER TABLE billing_files
  ADD KEY corrects_key (corrects);
