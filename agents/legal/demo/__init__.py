"""The shipped clause library (``types``) and a small corpus of statutes (``corpus``)."""

from pathlib import Path

#: The demo corpus, ready to be imported.
CORPUS = Path(__file__).parent / "corpus"
