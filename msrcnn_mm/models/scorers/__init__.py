"""Scorers: networks that predict s_iou."""
