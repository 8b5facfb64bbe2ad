"""The pages that show what the session engine does."""
