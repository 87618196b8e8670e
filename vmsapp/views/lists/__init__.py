"""Lists: their rows, filters, order, files, and what is done to them."""
