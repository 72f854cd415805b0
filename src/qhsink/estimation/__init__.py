"""Maps and samples to estimates: pure functions on arrays and tables."""
