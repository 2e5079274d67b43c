"""The commands of ``python -m msrcnn_mm``: argument parsing and nothing else."""
