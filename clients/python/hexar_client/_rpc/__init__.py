"""How a call is made: the connection, the channel that survives its end, streams that resume, and the keywords of methods."""
