"""An entry of the outbox as a message of our own link: written as text, for its body is JSON already.

The forms are those of `link.rows`; that the two are equal is tested. At ten thousand changes a second, taking each
body apart and putting it together again would be most of the work.
"""

from __future__ import annotations

from collections import deque

import msgspec

from link.limits import BATCH_MESSAGES
from link.resources import Kind, of_device
from twin.outbox import OutboxEntry

__all__ = ["FRAME_TARGET", "batch", "frame", "report"]

FRAME_TARGET = 256 * 1024
"""Characters of a frame; a single report may be longer."""
_RESOURCE = {"twin": Kind.EDGE_UPDATED, "state": Kind.STATE_UPDATE}
_text = msgspec.json.Encoder().encode


def report(device: str, kind: str, body: str, msg_id: str, now: int) -> str:
    """`kind` and `body` as in an outbox entry; `now` in Unix milliseconds."""
    resource = _text(of_device(device, _RESOURCE[kind])).decode()
    if kind == "twin":
        content = f'{{"event_id":"{msg_id}","timestamp":{now},"twin":{body}}}'
    else:
        content = _text(f'{{"event_id":"{msg_id}","timestamp":{now},"device":{body}}}').decode()
    return (
        f'{{"header":{{"msg_id":"{msg_id}","timestamp":{now}}},"route":{{"source":"twin","group":"resource",'
        f'"operation":"update","resource":{resource}}},"content":{content}}}'
    )


def batch(entries: deque[OutboxEntry], room: int, most: int, now: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Take from the front of `entries` what fits into `room` bytes and `most` messages; at least one goes. Returns
    the frame and (seq, size) of what is in it."""
    texts: list[str] = []
    taken: list[tuple[int, int]] = []
    left = min(room, FRAME_TARGET)
    while entries and len(texts) < min(most, BATCH_MESSAGES):
        seq, device, kind, body = entries[0]
        text = report(device, kind, body, str(seq), now)
        if texts and len(text) > left:
            break
        entries.popleft()
        left -= len(text)
        texts.append(text)
        taken.append((seq, len(text)))
    return frame(texts), taken


def frame(texts: list[str]) -> bytes:
    """One frame of several messages."""
    return f"[{','.join(texts)}]\n".encode()
