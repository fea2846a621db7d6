"""MQTT: the broker, the client, the topics."""

from eventbus.broker import PrivateBroker
from eventbus.transport import BusError, Message, Session, Statistics, Transport

__all__ = ["BusError", "Message", "PrivateBroker", "Session", "Statistics", "Transport"]
