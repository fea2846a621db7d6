"""The maxima of the link: what either end takes at most, so that no peer can make it grow without bound."""

from __future__ import annotations

__all__ = [
    "BATCH_MESSAGES",
    "CSR_BYTES",
    "FRAME_BYTES",
    "HEADER_CHARACTERS",
    "NODE_CHARACTERS",
    "RESOURCE_CHARACTERS",
    "TOKEN_CHARACTERS",
]

FRAME_BYTES = 4 * 1024 * 1024
"""Bytes of one WebSocket message, decompressed."""
BATCH_MESSAGES = 1_000
"""Messages in one frame, between ends that agreed on batches."""
RESOURCE_CHARACTERS = 1_024
"""Characters of a message's resource and of each of its ids."""
HEADER_CHARACTERS = 1_024
"""Characters of one header of a handshake or of a bootstrap request."""
NODE_CHARACTERS = 253
"""Characters of a node's name, as Kubernetes allows."""
TOKEN_CHARACTERS = 2_048
"""Characters of a join token."""
CSR_BYTES = 16 * 1024
"""Bytes of a certificate request."""
