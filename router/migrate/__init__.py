"""Other routers' configurations, read into ours: pure, from text to text and notes."""
