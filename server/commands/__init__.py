"""The server's part of the ``hexar`` command; :data:`COMMANDS` says where each is, so that none is imported before it runs."""

COMMANDS = {
    "config": ("hexar.server.commands.config:app", "Check the configuration, and show what it comes to."),
    "db": ("hexar.server.commands.db:app", "Migrate the store, and look at its schema."),
    "demo-shops": ("hexar.server.commands.demo_shops:demo_shops", "Serve three small shops over HTTP."),
    "import": ("hexar.server.commands.imports:app", "Read catalogues, corpora and document types into the store."),
    "new-key": ("hexar.server.commands.new_key:new_key", "Make an API key: shown once."),
    "serve": ("hexar.server.commands.serve:serve", "Run a server: in this process, or in several under it."),
    "vendors": ("hexar.server.commands.vendors:app", "Look at the configured shops, and at what is read of a page."),
    "worker": ("hexar.server.commands.worker:worker", "Run background jobs of the configured store."),
}
