"""Benchmarks: each measures beside a reference, in turn with it."""
