"""Which listings are one product, and what all of them say about it.

One kernel a file: ``tokens`` reads a title, ``records`` a listing, ``matching`` compares two, ``clustering`` all of a batch,
``products`` joins what is said about one product. The words that mean something in any listing are in ``lexicon``.
"""

from hexar.core.merge.clustering import Prepared, cluster
from hexar.core.merge.matching import DEFAULT_THRESHOLD, same_product
from hexar.core.merge.products import Merged, Precedence, Reading, merge

__all__ = ["DEFAULT_THRESHOLD", "Merged", "Precedence", "Prepared", "Reading", "cluster", "merge", "same_product"]
