"""The vendor master: who sends invoices, by what they are known, and what that settles."""
