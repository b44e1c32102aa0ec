"""The portfolio system: documents in, passages found, cited answers out.

``documents`` reads bytes, ``chunking`` cuts text, ``library`` keeps both, ``retrieval`` finds passages, ``semantic`` serves
answers of similar questions, ``grounding`` checks citations, ``pipeline`` puts one answer together.
"""
