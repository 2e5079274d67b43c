"""Features of detections, from results files alone."""
