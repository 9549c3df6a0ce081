"""Benchmark: what tools/bench is made of; docs/performance.md says what it measures and how to read it."""
