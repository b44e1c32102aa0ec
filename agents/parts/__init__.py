"""Parts discovery: from a damage report to the parts that fit, over a catalogue in the store.

``importers`` read catalogues, ``catalogue`` keeps them, ``vehicles`` and ``components`` understand the report, ``rules``
knows what a damage implies, and ``pipeline`` puts an answer together. The tables of words and rules are files in ``data``.
"""
