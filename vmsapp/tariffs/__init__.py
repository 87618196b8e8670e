"""What it costs: plans, and quotes made from them. Pure functions on exact numbers."""
