"""What ships to Lambda. Imports point down: entrypoints, bootstrap, adapters and modules, node, ocpi."""
