"""Adapters that MMDetection calls with predictions: metric, results file, pictures."""
