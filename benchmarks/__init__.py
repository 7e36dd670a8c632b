"""Benchmarks: durations as ratios within one run. `make bench` measures on the running lab. None of them is a test."""
