"""The page on which a cookie is stolen, and what the thief has of it after log-out."""
