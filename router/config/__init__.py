"""The configuration: its schema, its reader, and every mistake told where it stands."""
