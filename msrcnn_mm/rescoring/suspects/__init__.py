"""Annotations that confident masks contradict."""
