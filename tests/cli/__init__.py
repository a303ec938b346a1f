"""The command line against a small operator API that speaks real HTTP."""
