"""Runtime: what Python itself needs help with: late imports, threads and processes beside, cancellation, forks."""
