"""From a port to calls: the listener, health, and what the texts of every request must keep to."""

from hexar.server.calls.transport.listener import Listener, make_server

__all__ = ["Listener", "make_server"]
