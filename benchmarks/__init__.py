"""What the rack costs, as ratios in one run. `make bench` measures on the running lab; nothing here is a timed test."""
