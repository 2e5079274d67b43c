"""Pictures of masks with their scores and true IoUs."""
