"""Transfer: between a volume and the files of this machine, without a mount.

upload.py publishes many puts as one commit, copy.py and remove.py publish what they do to paths of the
volume, download.py brings a volume's files out; progress.py is how each tells how far it is.
"""
