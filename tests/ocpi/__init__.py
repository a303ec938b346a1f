"""The protocol's pure parts, each by itself."""
