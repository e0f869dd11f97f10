"""The local cloud: MiniStack with what it lacks, and the program that supervises it."""
