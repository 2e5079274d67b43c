"""What a run of MMDetection needs: configs, checks, checkpoints, metrics and hooks."""
