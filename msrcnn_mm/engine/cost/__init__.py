"""What a detector costs: parameters, multiply-accumulates, time."""
