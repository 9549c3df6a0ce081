"""Endurance: writers are killed, or the power goes, while others read; then stock git judges what was acknowledged.

    .venv/bin/python -m tests.endurance kill --seconds 600 [--in DIRECTORY]
    .venv/bin/python -m tests.endurance power --seconds 600           needs root, loop devices and ext4

``programs`` are the processes, ``judge`` says what must be true of the store
afterwards, ``power`` is a file system whose power can be cut.
"""
