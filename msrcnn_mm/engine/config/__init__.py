"""Config files: loading, walking through their parts, explaining their errors."""
