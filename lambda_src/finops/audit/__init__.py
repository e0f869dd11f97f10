"""The audit trail: who did what, when, and to what, in chains that show any change."""
