"""Maintenance: what keeps a repository in shape beside its writers; sweep.py, roll_up.py."""
