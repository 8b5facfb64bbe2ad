"""Invoices of the organisations, which programs read and write through /api/."""
