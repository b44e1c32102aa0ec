"""Texts that were made to stall or to crash whoever normalises them."""

import os

#: Seconds that hostile input may take; what is guarded against takes minutes. Sanitizers slow everything down.
PATIENCE = 60 if os.environ.get("HEXAR_BUILD") == "sanitize" else 5

HOSTILE = {
    "one long token": "x" * 100_000,
    "marks out of order": "\u0301\u0316" * 50_000,
    "zero width": "a\u200b" * 50_000,
    "directional marks": "\u200e\u200f\u202e" * 30_000,
    "joined emoji": "\U0001f468\u200d\U0001f469" * 30_000,
    "NULs": "\x00" * 100_000,
    "lone surrogates": "\ud800" * 100_000,
    "ligatures of eighteen letters": "\ufdfa" * 10_000,
    "halfwidth marks": "\uff9e\u0301" * 50_000,
    "marks without a class": "\u0f73\u0f71" * 50_000,
    "a million tokens": "x " * 1_000_000,
    "many sharp s": "ß " * 300_000,
    "conjuncts": "\u0915\u094d\u0937\u093f" * 25_000,
}
