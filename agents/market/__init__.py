"""Market analysis: figures from a sales table, a forecast, and advice that cites them.

::

    tables/     files → one table with known columns         questions/  words → tools, filters, dimensions
    figures/    one aggregate, written once for all engines   analysts/   figures → recommendations
    tools/      aggregates → figures                          forecast/   a series → the coming periods
    pipeline    tools side by side → analysts → events
"""
