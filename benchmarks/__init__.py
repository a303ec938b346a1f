"""What things cost, as ratios within one run; no test asserts on time."""
