"""What a visitor likes, in a session of its own that log-out leaves alone."""
