"""Invoices from Textract's AnalyzeExpense response; every field and line it found is kept."""
