"""Transfer: between a volume and the files of this machine, without a mount.

Upload: ``puts`` is what was asked for, ``upload_plan`` which source each path has,
``upload`` the commit. Download: ``download`` brings out what a state holds.
``path_copy`` and ``path_removal`` publish what they do to paths of the volume alone.
"""
