"""Bytes to documents, documents to chunks, and what a tenant keeps of them."""
