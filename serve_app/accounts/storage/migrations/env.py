"""What alembic runs to reach the database: the connection that it is given."""

from alembic import context

from serve_app.accounts.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
