"""What scorers are trained toward."""
