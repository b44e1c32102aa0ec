"""Several processes on one address: who starts them, watches them, replaces them, and adds up their figures.

::

    hexar serve --workers N ── Supervisor ──┬── process 1 (child.py: App)       one socket pair each: "ready", figures;
                                            ├── process 2                       its end of file tells a process that
                                            └── …                               the supervisor is gone

The supervisor handles no request and loads no gRPC. Processes are started anew (spawn), never forked.
"""
