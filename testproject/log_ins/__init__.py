"""The page on which people see where they are logged in, and end that."""
