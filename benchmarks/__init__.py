"""What `make bench` runs: ratios measured side by side, and the validation page."""
