"""OPC-UA: subscriptions, reads, writes and method calls over one session for each server."""
