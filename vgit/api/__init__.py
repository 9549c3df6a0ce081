"""Api: what the public classes are made of; programs import them from ``vgit``.

``client`` reads the environment and opens stores, ``handle`` and ``resolve`` find a
volume, ``snapshot`` reads, ``writable`` and ``batch`` write without a mount,
``mountable`` and ``mount`` are its working directories, ``versioned`` its history.
"""
