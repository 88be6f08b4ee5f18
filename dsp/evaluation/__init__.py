"""Evaluation: benchmarks, metrics, and the statistics that say what a difference is worth."""
