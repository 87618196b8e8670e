"""The counter, sales, receipts and what follows a sale."""
