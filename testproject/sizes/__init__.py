"""Sessions that no single cookie holds, and where they go."""
