"""Answers that are quoted from passages: which sentence, row or list says what a question asks for.

====================  ========================================================================
:mod:`units`          passages as quotable units: sentences, list items, table rows, with what stands above them
:mod:`vocabulary`     words as keys: stems, irregular forms, concepts of English and Spanish
:mod:`questions`      what a question asks for, and its words
:mod:`evidence`       which kinds of answer a unit holds: a date, an amount, a person, a reason, …
:mod:`matching`       which words of a question are said by which unit
:mod:`support`        whether a unit answers, or only speaks of the same things
:mod:`selection`      what is quoted: the best units, a whole list, both sides of a comparison
:mod:`injections`     sentences that give orders to a model: never quoted
:mod:`composer`       the whole answer
====================  ========================================================================
"""
