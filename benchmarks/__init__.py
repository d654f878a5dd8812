"""What the package costs: alerts a CPU second, memory, imports, a small run; `python -m benchmarks`."""
