"""Adapters that MMDetection calls: data set, metric, results file, pictures, inferencer."""
