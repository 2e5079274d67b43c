"""Parts of a run of MMDetection: configs, checks, checkpoints, hooks, results, cost."""
