"""Pictures of masks with their scores."""
