"""The subscriptions of a session: made in chunks, published by requests that always wait at the server, watched.

Every message of a subscription has a number, and one that is missing, late or means the end of it ends the session:
a new one then begins with the present values of everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from asyncua import ua
from asyncua.ua.uaerrors import UaStructParsingError

from mappers.mapper import LinkLost
from mappers.opcua.session import Session, in_words

FASTEST = 0.05
"""Seconds between two messages of a subscription, at least."""
IN_ONE_MESSAGE = 1000
"""Changes in one message: more would keep the process from all else."""
LIFETIME = 20.0
"""Seconds, or three times the keep-alive, after which a server forgets a subscription whose messages nobody
fetches."""
WAITING = 2
"""Publish requests that wait at the server for each subscription, so that one is there while another is read."""
MOST_WAITING = 10
LOOKS = 4
"""So often within its keep-alive time is looked whether a subscription spoke."""

Changed = Callable[[Mapping[int, ua.DataValue]], None]
"""Told the new values of one message, by the number of the item."""


class _Subscription:
    """One of them, as the server agreed to it."""

    def __init__(self, agreed: ua.CreateSubscriptionResult, now: float) -> None:
        self.interval = agreed.RevisedPublishingInterval / 1000
        self.silence = self.interval * agreed.RevisedMaxKeepAliveCount
        """Seconds after which it speaks, though there is no news."""
        self.heard = now
        self.next_number = 1

    def accept(self, number: int, *, news: bool) -> None:
        """LinkLost when a message is missing. A keep-alive has the number that the next message will have."""
        if number != self.next_number:
            raise LinkLost(f"a message of the server is missing: number {self.next_number}, {number} came")
        if news:
            self.next_number = 1 if number == 0xFFFFFFFF else number + 1


class Subscriptions:
    """`add` items, then `run` for as long as the session shall live."""

    def __init__(self, session: Session, keep_alive: float) -> None:
        self._session = session
        self._keep_alive = keep_alive
        self._clock = asyncio.get_running_loop().time
        self._subscriptions: dict[int, _Subscription] = {}
        self._acknowledge: list[ua.SubscriptionAcknowledgement] = []

    def __len__(self) -> int:
        return len(self._subscriptions)

    async def add(self, interval: float, nodes: Sequence[tuple[int, ua.NodeId]]) -> set[int]:
        """Subscribe to nodes, each with a number of its own, that are looked at in that interval (seconds). Returns
        the numbers of those that the server takes; UaError when it takes no subscription at all."""
        id_ = await self._create(interval)
        taken: set[int] = set()
        most = self._session.limits.items
        for start in range(0, len(nodes), most):
            taken |= await self._add_chunk(id_, interval, nodes[start : start + most])
        if not taken:
            await self._session.client.uaclient.delete_subscriptions([id_])
            del self._subscriptions[id_]
        return taken

    async def run(self, changed: Changed) -> NoReturn:
        """Fetch messages and watch for silence. LinkLost when a subscription, or a message of it, is lost."""
        now = self._clock()
        for subscription in self._subscriptions.values():
            subscription.heard = now
        async with asyncio.TaskGroup() as tasks:
            for number in range(min(MOST_WAITING, WAITING * len(self._subscriptions))):
                tasks.create_task(self._fetch(changed), name=f"opcua publish {number}")
            await self._watch()
        raise AssertionError("unreachable")

    async def _create(self, interval: float) -> int:
        publishing = max(FASTEST, interval)
        silent = max(1, round(self._keep_alive / publishing))
        asked = ua.CreateSubscriptionRequest()
        asked.Parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=publishing * 1000,
            RequestedMaxKeepAliveCount=silent,
            RequestedLifetimeCount=max(3 * silent, round(LIFETIME / publishing)),
            MaxNotificationsPerPublish=IN_ONE_MESSAGE,
            PublishingEnabled=True,
        )
        agreed = await self._session.ask(asked, ua.CreateSubscriptionResponse)
        self._subscriptions[agreed.SubscriptionId] = _Subscription(agreed, self._clock())
        return int(agreed.SubscriptionId)

    async def _add_chunk(self, id_: int, interval: float, nodes: Sequence[tuple[int, ua.NodeId]]) -> set[int]:
        asked = ua.CreateMonitoredItemsParameters(
            SubscriptionId=id_,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[_item(number, node, interval) for number, node in nodes],
        )
        results = await self._session.client.uaclient.create_monitored_items(asked)
        return {number for (number, _), result in zip(nodes, results, strict=True) if result.StatusCode.is_good()}

    async def _fetch(self, changed: Changed) -> NoReturn:
        while True:
            acknowledge, self._acknowledge = self._acknowledge, []
            try:
                response = await self._session.client.uaclient.publish(acknowledge)
            except UaStructParsingError as error:
                raise LinkLost(f"a message of the server cannot be understood: {error.__cause__}") from None
            except ua.UaStatusCodeError as error:
                if error.code != ua.StatusCodes.BadTooManyPublishRequests:
                    raise LinkLost(f"no more messages of the server: {in_words(error)}") from None
                await asyncio.sleep(self._keep_alive)  # the others wait there
                continue
            self._accept(response.Parameters, changed)

    def _accept(self, result: ua.PublishResult, changed: Changed) -> None:
        subscription = self._subscriptions.get(result.SubscriptionId)
        if subscription is None:
            raise LinkLost(f"the server speaks of a subscription {result.SubscriptionId} that is not ours")
        message = result.NotificationMessage
        news = message.NotificationData or ()
        subscription.heard = self._clock()
        subscription.accept(message.SequenceNumber, news=bool(news))
        if news:
            self._acknowledge.append(
                ua.SubscriptionAcknowledgement(
                    SubscriptionId=result.SubscriptionId, SequenceNumber=message.SequenceNumber
                )
            )
        for each in news:
            _tell(each, changed)

    async def _watch(self) -> NoReturn:
        """LinkLost when one says nothing for longer than it may. When this process itself was too busy to look,
        the messages may be waiting: nobody is blamed."""
        pause = min(each.silence for each in self._subscriptions.values()) / LOOKS
        while True:
            due = self._clock() + pause
            await asyncio.sleep(pause)
            now = self._clock()
            if now - due > pause:
                continue
            for each in self._subscriptions.values():
                if now - each.heard > each.silence + max(2 * pause, each.interval, self._keep_alive / 2):
                    raise LinkLost(f"nothing heard from the server for {now - each.heard:.3g} s")


def _item(number: int, node: ua.NodeId, interval: float) -> ua.MonitoredItemCreateRequest:
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=number, SamplingInterval=interval * 1000, QueueSize=1, DiscardOldest=True
        ),
    )


def _tell(news: Any, changed: Changed) -> None:
    if isinstance(news, ua.DataChangeNotification):
        changed({item.ClientHandle: item.Value for item in news.MonitoredItems or ()})
    elif isinstance(news, ua.StatusChangeNotification):
        raise LinkLost(f"the server ended a subscription: {news.Status.name}")
