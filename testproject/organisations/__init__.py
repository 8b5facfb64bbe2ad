"""Organisations, who belongs to them, and in which role."""
