"""twinhub speaks with acme instruments."""
