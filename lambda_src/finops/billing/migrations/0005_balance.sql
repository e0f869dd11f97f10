-- The balance check of a part reads the part's lines, not all rows of the load.

ALTER TABLE billing_rows DROP KEY load_id, ADD KEY load_lines (load_id, line);
