"""The RDS Data API on a MySQL-compatible server, apart from the emulator that serves it."""
