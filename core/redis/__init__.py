"""The link to Redis: one server, Sentinels or a Cluster."""
