"""The ledger in a PostgreSQL database, shared by the books of many clusters."""
