"""What every node does, proven between two of them."""
