"""What each caller may ask for in a minute, and spend."""
