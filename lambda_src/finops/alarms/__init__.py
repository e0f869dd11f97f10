"""Alarms of CloudWatch, told to people where they talk."""
