"""Registration: how two platforms exchange tokens and endpoints. Spec: credentials.md."""
