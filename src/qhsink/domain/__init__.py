"""The nouns: frozen, plain, importable without any array library."""
