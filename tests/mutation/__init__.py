"""Mutation testing of the product: do the fast tests notice when the code is wrong? `make mutants` runs it."""
