"""The operators' page: figures as they change, and a console that calls the server's own RPCs. Needs the extra ``dashboard``.

::

    browser ── GET /            index.html, page.css, page.js
            ── GET /api/live    server-sent events: the report of all processes, once a second
            ── POST /api/run    one streaming RPC: its events as they come, then how it ended
                    └── a gRPC channel to this very server: the page shows what any client is told, by the same rules
"""
