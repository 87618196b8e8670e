"""The proof of the books: the ledger balances, and sales, tokens, receipts and money agree.

Everything is compared in the database, by statements that hand back a few faulty rows and how
many there are: the memory it takes does not grow with what was sold.
"""
