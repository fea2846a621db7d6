"""MQTT: the broker, the client, the topics."""
