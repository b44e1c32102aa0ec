"""Three small shops over real HTTP, for demonstrations and tests: the whole path runs without a network."""

from hexar.server.demo.shops import NAMES, Behaviour, DemoShops

__all__ = ["NAMES", "Behaviour", "DemoShops"]
