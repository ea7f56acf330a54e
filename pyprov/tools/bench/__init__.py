"""Benchmarks: the only source of speed claims. Each prints medians with their spread."""
