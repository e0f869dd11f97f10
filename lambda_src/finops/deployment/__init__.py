"""One deployment, as a person's tools reach it: its clients, its names, queues and functions."""
