"""Runtime: what Python itself needs help with: lazy imports, side threads, worker processes, cancellation, forks."""
