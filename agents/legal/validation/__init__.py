"""The checks of a text: what is wrong whatever the reader thinks, and what a reader should look at (:mod:`.review`)."""
