"""Api: what the public classes are made of; programs import them from ``vgit``."""
