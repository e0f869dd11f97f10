"""The engine that reads PDFs that have text, without Textract."""
