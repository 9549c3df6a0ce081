"""Localfs: this machine: descriptors, system calls, locks, clocks. Knows no volume and nothing of git."""
