"""Events, requests and policies become jobs in the ledger and messages in the queue."""
