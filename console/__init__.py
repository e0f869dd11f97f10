"""The web console: pages for finance people, on the services that `finops` uses too."""
