"""Found here by Django: one module is one command."""
