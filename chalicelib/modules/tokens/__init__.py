"""Who may charge, and asking in real time whether they may. Spec: mod_tokens.md."""
