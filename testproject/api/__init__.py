"""JSON for programs: every view below /api/ has a guard, and a command checks that."""
