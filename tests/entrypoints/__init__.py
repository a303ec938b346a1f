"""The edges of the product, as AWS calls them."""
