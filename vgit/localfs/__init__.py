"""Localfs: the machine below: descriptors, system calls, /proc, flock, clocks. Knows no volume, no mount, no git.

What is here could serve any program on Linux. What a volume makes of a file is in
``files/``, what a mount makes of it in ``mount/``.
"""
