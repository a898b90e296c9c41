"""Benchmarks and proofs: figures and promises that a reader can repeat."""
