"""The customer's side of the core: a request, the ledger, the windows, and the decision."""
