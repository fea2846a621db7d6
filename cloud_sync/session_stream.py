"""The stream channel of a twinhub edge: bulk that may be dropped, today the log lines of its hub.

Every frame is acknowledged, so that the edge never has more on the way than that.
"""

from __future__ import annotations

from cloud_sync.node_link import NodeLink
from cloud_sync.node_logs import NodeLogs
from link import contents
from link.acknowledgement import acknowledge
from link.message import BadFrame, Message
from link.resources import LOG

__all__ = ["StreamSession"]


class StreamSession:
    """`run` serves the link until it ends."""

    def __init__(self, link: NodeLink, logs: NodeLogs) -> None:
        self._link, self._logs = link, logs

    async def run(self) -> None:
        async for messages in self._link.frames():
            for message in messages:
                self._keep(message)
            if messages:
                await self._link.send([acknowledge(messages[-1])])

    def _keep(self, message: Message) -> None:
        if message.route.resource != LOG:
            return
        try:
            self._logs.add(self._link.node, contents.log_lines(message))
        except BadFrame as fault:
            self._link.refuse(LOG, str(fault))
