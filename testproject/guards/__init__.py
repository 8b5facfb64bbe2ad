"""A page behind each kind of guard, and one that tells which would let you in."""
