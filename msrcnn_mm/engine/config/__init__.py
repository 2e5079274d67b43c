"""Config files: loading, traversal, explanation of their mistakes."""
