"""The ledger made anew from the lake, and lost marks from the ledger."""
