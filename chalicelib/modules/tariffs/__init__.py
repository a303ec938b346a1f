"""What charging costs. Spec: mod_tariffs.md."""
