"""Kernels of a search: postings (BM25), similarity (nearest vectors), fusion, and the hits that pass between them."""
