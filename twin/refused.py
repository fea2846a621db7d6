"""Why a request is not carried out, in a form that can be sent back to who asked."""

from __future__ import annotations


class Refused(Exception):
    """The request is refused as a whole and nothing has changed.

    `code`: 400 bad request, 404 unknown device. `event_id`: the request's own, once it is known.
    """

    def __init__(self, code: int, reason: str, event_id: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.event_id = event_id


class BadRequest(Refused):
    """The payload is not the form, or has characters that are not allowed: refused before anybody is looked up."""

    def __init__(self, reason: str, event_id: str = "") -> None:
        super().__init__(400, reason, event_id)
