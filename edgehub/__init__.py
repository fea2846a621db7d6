"""The edge end of the cloud link: keeps it, drains the outbox into it, and brings home what people want."""
