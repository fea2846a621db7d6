"""Serial lines, and serial servers over TCP: instruments that are described, not programmed."""
