"""Files: how the files of this machine are read, so that what is stored of them is what was there."""
