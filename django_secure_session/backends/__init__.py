"""Session engines: modules that SESSION_ENGINE may name."""
