"""Access to one deployment: what the command line and the console share."""
