"""Places to charge, in three depths. Spec: mod_locations.md."""
