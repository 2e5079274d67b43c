"""Networks that train: hosts, scorers and their targets."""
