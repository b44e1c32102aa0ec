"""Legal documents: researched, drafted, reviewed, validated, cited.

A request runs through five layers (:mod:`hexar.agents.legal.drafting.pipeline`); each layer is a room of this package.
"""
