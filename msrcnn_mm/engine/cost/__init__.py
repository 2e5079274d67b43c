"""Cost of a detector: parameters, multiply-accumulates, time."""
