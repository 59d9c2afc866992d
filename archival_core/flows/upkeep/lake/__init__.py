"""What lies in the lake, compared with the ledger and with the manifests."""
