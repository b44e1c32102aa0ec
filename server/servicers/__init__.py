"""One servicer a service, with its system's declaration. Importing this package declares the tables of all of them."""

from hexar.server.servicers import chat, legal, market, parts, query

__all__ = ["chat", "legal", "market", "parts", "query"]
