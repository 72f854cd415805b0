"""A simulated Qinghai archive with known truth, published as a STAC catalogue."""
