"""Bytes to documents, documents to chunks, and what a tenant keeps of them."""

from hexar.agents.portfolio.documents.formats import Rejected, read

__all__ = ["Rejected", "read"]
