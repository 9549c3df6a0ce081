"""Mount: an ordinary working directory bound to a volume."""
