"""Patches of mmcv, MMDetection and mmengine, applied by one explicit call."""
