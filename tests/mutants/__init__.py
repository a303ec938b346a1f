"""Small changes that make the product wrong, each with the tests that have to notice: ``make mutants`` tries them out.

*.toml      the mutants, a file per area; what a mutant is stands in ``cli/support.py``
__main__    what is tried out, and what is said about it
running     breaks copies of the tree, several side by side
outcomes    what became of each test of a run, as pytest tells it
"""
