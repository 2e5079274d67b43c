"""What MMDetection calls with predictions: metric, results file, visualizer, hooks."""
