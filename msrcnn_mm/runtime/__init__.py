"""Predicts images without torch: exported detectors, and the run over images of any detector."""
