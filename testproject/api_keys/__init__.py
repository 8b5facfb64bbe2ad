"""The page on which people make, change over and end their own API keys."""
