"""What trains: hosts, scorers and their targets."""
