"""What the utility sets up: itself, regions, products, vending points, its licence."""
