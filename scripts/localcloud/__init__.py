"""The local cloud: MiniStack, what it lacks, and the program that supervises it."""
