"""Proofs: long, seeded tests that try to break a promise of the product, on real server processes."""
