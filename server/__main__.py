"""``python -m hexar.server``: one server process, configured by environment and files (see hexar.server.config)."""

from hexar.server.commands.serve import main

if __name__ == "__main__":
    main()
