"""Repository: one volume's store: refs, commits, the merge, and the loop that publishes."""
