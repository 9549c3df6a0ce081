"""Files: a volume's entries to files of this machine and back, by rules that mounts and transfers share.

In: ``steady_read`` decides what held still while it was read, ``file_reader`` and
``small_files`` read by that rule, ``content_sink`` takes what they read. Out:
``entry_writer`` makes files, links and FIFOs of entries. ``temporary_access`` opens
directories whose modes are closed, for as long as an operation takes.
"""
