"""The process: the HTTP server around the application, how it stops, and several of it side by side."""
